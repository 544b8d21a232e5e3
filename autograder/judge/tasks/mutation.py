"""Judges a test by mutation: it must pass for every correct app and fail for every blocking one, each time.

The apps are in ``hidden/`` of the lesson's folder in ``solutions/``. They're tried in a random order, and twice where the
result earns points. Only results that are the same both times count, so a test that tosses a coin earns nothing. A test
that fails for a correct app earns nothing either, because people soon ignore such a test.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import paths
from autograder.judge.tasks.test_runner import FAILED, HANGS, PASSED, Run, attempt, first_error
from autograder.judge.verdict import DiagnosisKind, Inconclusive, Outcome, Verdict
from autograder.services.base import ServiceError
from autograder.services.upstream import Rooms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autograder.judge.spec.text_task import TextTask
    from autograder.sandbox.launcher import Sandbox

ALWAYS_FAILS_RUNS = 8  # runs after which a test that has failed in each counts as one that always fails
HANGING_RUNS_LIMIT = 2  # runs that don't end, after which the judge stops
DETECTED_MIN_SHARE = 0.5  # share of the blocking apps that a test must detect to earn points
PARALLEL_RUNS = 6  # runs at the same time: they mostly wait
NEEDS_NAMESPACES = (
    "as root, the judge runs a learner's test only in a sandbox with namespaces. "
    "Grade as an ordinary user, or on a machine where bubblewrap works."
)


@dataclass(frozen=True)
class App:
    """An app that is known to be correct or blocking. ``says`` describes it, for messages after grading."""

    file: Path
    honest: bool
    says: str


def hidden(task: TextTask) -> list[App]:
    """Return the apps with which ``task`` is graded. Raises `Inconclusive` if the course's sources aren't there."""
    from autograder.judge.spec.exercise import load

    folder = paths.exercise(task.lesson)
    if not (folder / "hidden").is_dir():
        raise Inconclusive("the hidden apps are not here. They lie in the sources of the course.")
    whole = load(folder).endpoint(task.id)
    return [
        App(folder / "hidden" / kind / f"{name}.py", kind == "honest", says)
        for kind, apps in (("honest", whole.honest), ("blocking", whole.blocking))
        for name, says in apps.items()
    ]


async def run_against(
    test: Path,
    conftest: Path,
    apps: list[App],
    twice: bool = True,
    sandbox: Sandbox | None = None,
    filtered: bool = False,
) -> Mapping[App, list[Run]]:
    """Run the learner's ``test`` against each app once, and again if that can change the verdict; return {app: [Run, ...]}.

    A correct app for which the test failed once is tried twice more, because a busy machine may be late. Without ``twice``,
    each app is tried only once. With ``sandbox``, the test and the apps run in it; ``filtered`` limits a test without one
    (see `attempt`). Raises `Inconclusive` if the machine is too busy to tell.
    """
    runs: defaultdict[App, list[Run]] = defaultdict(list)
    supplier = await asyncio.to_thread(Rooms)

    async def all_of(waiting: list[App]) -> None:
        random.SystemRandom().shuffle(waiting)

        async def work() -> None:
            while waiting and not cannot_earn_points(runs):
                app = waiting.pop()
                runs[app].append(await attempt(test, conftest, app.file, supplier, sandbox, filtered))

        await asyncio.gather(*(work() for _ in range(PARALLEL_RUNS)))

    with supplier:
        await all_of(list(apps))
        if not twice or cannot_earn_points(runs):
            return runs
        accused = [app for app in apps if app.honest and FAILED in results(runs, app)]
        seen = [app for app in apps if not app.honest and FAILED in results(runs, app)]
        worth = len(seen) >= DETECTED_MIN_SHARE * sum(not app.honest for app in apps)
        await all_of(list(apps) if worth and not accused else accused)
        await all_of(2 * [app for app in apps if app.honest and {PASSED, FAILED} <= set(results(runs, app))])
    return runs


async def rehearsed(task: TextTask, folder: Path) -> tuple[bool, list[str]]:
    """Run the test in ``folder`` once against each app there. Return (whether all results are right, lines to print)."""
    files = sorted([*folder.glob("correct_*.py"), *folder.glob("incorrect_*.py")])  # noqa: ASYNC240
    apps = [App(file, file.name.startswith("correct"), file.name) for file in files]
    runs = await run_against(folder / task.file, folder / "conftest.py", apps, twice=False)
    lines, right = [], True
    for app in apps:
        for run in runs.get(app, ()):
            wanted = PASSED if app.honest else FAILED
            right = right and run.result == wanted
            mark = "right" if run.result == wanted else "WRONG"
            reason = "" if run.result == PASSED else f"  ({run.reason})"
            lines.append(f"{mark}  {app.says:22} {run.result} after {run.seconds:.1f} s{reason}")
    return right, lines


def results(runs: Mapping[App, list[Run]], app: App) -> list[str]:
    """Return the result of each run against ``app``: `PASSED`, `FAILED`, `HANGS`, or why it couldn't be run."""
    return [run.result for run in runs.get(app, ())]


def cannot_earn_points(runs: Mapping[App, list[Run]]) -> bool:
    """Return True if no further run can earn points: the test can't be run, doesn't end, or fails for every app."""
    every = [run.result for found in runs.values() for run in found]
    if any(result not in (PASSED, FAILED, HANGS) for result in every) or every.count(HANGS) >= HANGING_RUNS_LIMIT:
        return True
    honest = sum(app.honest for app in runs)
    return len(every) >= ALWAYS_FAILS_RUNS and honest >= 2 and set(every) == {FAILED}


class MutationJudge:
    """Judges the test in ``file`` for a `TextTask`. The same runs decide both parts.

    If ``sandbox`` has namespaces, the test runs in a sandbox with the limits of an app. It has limits of its own in any case.
    """

    def __init__(self, file: str | Path, task: TextTask, sandbox: Sandbox | None = None) -> None:
        self.file = Path(file)
        self.task = task
        self.level = sandbox.level if sandbox else "none"
        self.sandbox = sandbox if self.level == "namespaces" else None
        self._runs: Mapping[App, list[Run]] | None = None

    async def verdict_with_retries(self, part: str) -> Verdict:
        """Return the verdict on a part: "honest" (all correct apps must pass) or "blocking" (its share is that of the detected apps)."""
        if self.level == "user":
            return Verdict(Outcome.ERROR, "", f"No verdict: {NEEDS_NAMESPACES}")
        try:
            apps = hidden(self.task)
            if self._runs is None:
                conftest = paths.exercise(self.task.lesson) / "given" / "conftest.py"
                self._runs = await run_against(
                    self.file, conftest, apps, sandbox=self.sandbox, filtered=self.level == "limits"
                )
        except (Inconclusive, ServiceError, OSError) as problem:
            return Verdict(Outcome.ERROR, "", f"No verdict: {problem}")
        return verdict(part, apps, self._runs)


def verdict(part: str, apps: list[App], runs: Mapping[App, list[Run]]) -> Verdict:
    """Return the `Verdict` on a part of the points, from the results of ``runs``."""
    every = [run.result for found in runs.values() for run in found]
    broken = next((run for found in runs.values() for run in found if run.result not in (PASSED, FAILED, HANGS)), None)
    if broken:
        return _fail(DiagnosisKind.DOES_NOT_RUN, f"{broken.result} {first_error(broken.output)}".strip())
    if HANGS in every:
        return _fail(
            DiagnosisKind.NEVER_ENDS,
            "For some apps, the test didn't end. Set a timeout for everything that it waits for.",
        )
    if PASSED not in every:
        reason = next(run.reason for found in runs.values() for run in found)
        return _fail(
            DiagnosisKind.ALWAYS_FAILS, f"The test fails for every app, correct or not. Its message begins: {reason}"
        )
    honest, blocking = ([app for app in apps if app.honest is should_pass] for should_pass in (True, False))
    for app in honest:
        found = results(runs, app)
        if FAILED in found[-2:]:
            if PASSED in found:
                return _fail(
                    DiagnosisKind.NOT_THE_SAME_TWICE,
                    "For a correct app, the test passed once and failed once. Does it depend on how fast the machine is?",
                )
            reason = runs[app][0].reason
            return _fail(
                DiagnosisKind.ACCUSES_HONEST_APPS, f"The test fails for a correct app: {app.says}. It said: {reason}"
            )
    seen = [app for app in blocking if set(results(runs, app)) == {FAILED}]
    missed = [app for app in blocking if app not in seen]
    summary = f"It passes for every correct app, and fails for {len(seen)} of {len(blocking)} others."
    if set(every) == {PASSED}:
        return _fail(DiagnosisKind.ALWAYS_PASSES, "The test passes for every app: it would not notice anything.")
    if len(seen) < len(blocking) * DETECTED_MIN_SHARE:
        return _fail(
            DiagnosisKind.MISSES_BLOCKING_APPS, f"{summary} That's too few for points. {_missed(missed, runs)}"
        )
    if part == "honest" or not missed:
        return Verdict(Outcome.PASS, diagnosis=summary, trials=len(every))
    share = len(seen) / len(blocking)
    return Verdict(
        Outcome.FAIL,
        DiagnosisKind.MISSES_BLOCKING_APPS,
        f"{summary} {_missed(missed, runs)}",
        trials=len(every),
        share=share,
    )


def _missed(missed: list[App], runs: Mapping[App, list[Run]]) -> str:
    app = missed[0]
    sometimes = " reliably" if FAILED in results(runs, app) else ""
    return f"One that it doesn't detect{sometimes}: {app.says}."


def _fail(kind: DiagnosisKind, summary: str) -> Verdict:
    return Verdict(Outcome.FAIL, kind, summary)
