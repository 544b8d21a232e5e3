"""What convicts an app: the failing verdicts that the evidence of one race supports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import gil
from autograder.judge.evidence.samples import cpu_of_other_threads_s
from autograder.judge.evidence.stalls import find_stalls
from autograder.judge.verdict import DiagnosisKind, Outcome, Verdict

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.judge.spec.endpoint import CheckRequest
    from autograder.lab.race import Blocked, Race

CLIENT = re.compile(r"\bAsyncClient\(|\bcreate_default_context\(")  # each loads certificates: some 20 ms of work


def blocked(race: Race, samples: list[ThreadSample], rest: str | None, computes: bool = False) -> Verdict | None:
    """The failing `Verdict` if the loop was blocked in this race by the app's own doing, else None.

    With ``computes`` the app's threads have work to do, and a thread that keeps the GIL for it is told even if the loop
    never stood still for long.
    """
    stalls = find_stalls(race, samples, rest)
    held = gil.gil_starvation_s(samples, rest)
    if (stalls and all(stall.held_gil for stall in stalls)) or (computes and held and not stalls):
        return _held(race, held or sum(stall.seconds for stall in stalls))
    stalls = [stall for stall in stalls if not stall.held_gil]
    if not stalls:
        return _client_each(race)
    if all(stall.free for stall in stalls):
        return Verdict(Outcome.FAIL, DiagnosisKind.EVERYBODY_WAITS, messages.everybody_waits(stalls[0].seconds))
    named = next((stall.block for stall in stalls if stall.block is not None), race.worst_block)
    if named and not named.in_app:
        # a stall that's nearly as long, and whose line was seen, says more than one that left no trace
        seen = (stall.block for stall in stalls if stall.block is not None and stall.block.in_app)
        named = next((block for block in seen if block.seconds >= named.seconds / 2), named)
    if named and not named.in_app and (seconds := _taken_by_a_thread(race, samples, named)):
        return _held(race, seconds)
    line = named.line if named and named.in_app else None
    return Verdict(
        Outcome.FAIL,
        DiagnosisKind.BLOCKED,
        messages.blocked(stalls, len(race.requests), named),
        line,
        nameless=line is None,
    )


def _taken_by_a_thread(race: Race, samples: list[ThreadSample], block: Blocked) -> float:
    """CPU seconds of the app's threads in a stretch in which the loop did nothing of theirs and little of its own, else 0.0.

    It was on its way back from a call of the framework's own that lets go of the GIL, and a thread has taken that.
    """
    seconds = cpu_of_other_threads_s(samples, block.start, block.end)
    ours = sum(spent for place, spent in race.busy.items() if place[3] == race.file)
    return seconds if min(seconds, ours) >= max(gil.GIL_STARVATION_MIN_S, block.seconds / 2) else 0.0


def _client_each(race: Race) -> Verdict | None:
    """The failing `Verdict` if the loop was found making a client in this race, else None.

    What is made once was made before the first race, in the warm-up at the latest: so this is a fact, and no matter of time.
    """
    line, code = next((place for place in race.found if CLIENT.search(place[1])), (None, ""))
    return Verdict(Outcome.FAIL, DiagnosisKind.BLOCKED, messages.client_each(line, code), line) if line else None


def _held(race: Race, seconds: float) -> Verdict:
    """The failing `Verdict` for threads that compute, and keep the GIL while they do."""
    place = max(race.busy, key=lambda place: race.busy[place], default=None)
    line = place[0] if place and place[3] == race.file else None
    return Verdict(Outcome.FAIL, DiagnosisKind.GIL, messages.gil(seconds, place, line), line, nameless=place is None)


def answered_late(call: CheckRequest, seconds: float) -> Verdict:
    """The failing `Verdict` for an answer that came long after it was due."""
    return Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOO_LATE, messages.too_late(call, seconds))


def served_in_turns(served: int, requests: int, calls: int = 1) -> Verdict:
    """The failing `Verdict` for requests of which only ``served`` are served at a time.

    With several ``calls`` a request, ``served`` is how many calls are under way at a time.
    """
    if served == 1:
        return Verdict(Outcome.FAIL, DiagnosisKind.ONE_AT_A_TIME, messages.one_at_a_time())
    return Verdict(Outcome.FAIL, DiagnosisKind.FEW_AT_A_TIME, messages.few_at_a_time(served, requests, calls))
