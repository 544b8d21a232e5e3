"""The decision from trials to PASS, FAIL or ERROR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.judge.verdict import Inconclusive, Outcome, Verdict

if TYPE_CHECKING:
    from autograder.judge.proofs.overlap import OverlapProof
    from autograder.judge.proofs.rendezvous import RendezvousProof
    from autograder.judge.proofs.whole_app import WholeAppProof

TRIALS = 7
CONFIRM = 2  # trials that must show a fault before it is a FAIL
NAMELESS = 2  # further trials if the loop was blocked and no trial has named a line


async def decide(method: OverlapProof | RendezvousProof | WholeAppProof, confirm: int, show: bool = False) -> Verdict:
    """Return PASS or FAIL once enough trials of ``method`` agree; ``confirm`` trials must show a fault before it is a FAIL.

    With ``show``, the first trial is drawn.  Raises `Inconclusive` if `TRIALS` trials decide nothing.
    """
    await method.warm_up()
    faults, clean = [], 0
    for number in range(1, TRIALS + 1):
        trial = await method.trial(show=show and number == 1)
        if trial.fault:
            faults.append(trial.fault)
            # on a busy machine a trial may show that the loop was blocked, but not the line: run another one to name it
            named = next((fault for fault in reversed(faults) if not fault.nameless), None)
            if len(faults) >= confirm and (named or len(faults) >= confirm + NAMELESS):
                named = named or trial.fault
                return Verdict(Outcome.FAIL, named.kind, named.diagnosis, named.line, number)
        elif trial.proved:
            clean += 1
            # a fault that isn't seen again must have been chance, and needs one more proof
            if clean >= method.proofs + len(faults):
                return Verdict(Outcome.PASS, trials=number)
    raise Inconclusive("the machine was too busy to see the requests side by side. Try again.")
