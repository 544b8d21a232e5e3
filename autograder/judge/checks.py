"""The checks that the cells of an exercise notebook call. Each reports its result immediately, as text and as a picture.

Hidden tests call the same judge with fresh inputs. Nothing here has information that a learner may not see.
"""

from __future__ import annotations

import asyncio
import os
import textwrap
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import services
from autograder.errors import UserFacingError
from autograder.judge.proofs.overlap import WAIT
from autograder.judge.proofs.whole_app import slow_day
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import Exercise, load
from autograder.judge.tasks.factory import judging
from autograder.judge.tasks.findings import check_readable, remarks
from autograder.judge.tasks.mutation import rehearsed
from autograder.judge.verdict import DiagnosisKind, Outcome, Verdict
from autograder.lab import live_plot, timeline
from autograder.lab.app_errors import AppError
from autograder.lab.progress import doing
from autograder.lab.race import Canary, Race, Request
from autograder.lab.server import withhold

if TYPE_CHECKING:
    from typing import Any

    from autograder.judge.spec.endpoint import Endpoint
    from autograder.judge.spec.text_task import TextTask
    from autograder.lab.load import Load


# JupyterLab breaks a line of an output that's too long in the middle of a word: this many characters fit into a window of
# 1280 pixels beside the list of files
OUTPUT_COLUMNS = 96


def folded(text: str) -> str:
    """Return ``text`` with its lines broken between words, at `OUTPUT_COLUMNS` characters. A line keeps its indentation."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line, OUTPUT_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


class CheckFailed(UserFacingError, AssertionError):
    """A check didn't pass. The notebook shows only its message, which is the diagnosis."""

    def _render_traceback_(self) -> list[str]:
        return [folded(f"Not yet: {self}")]


class Checks:
    """The checks of one exercise, for the notebook in the same folder as its ``exercise.toml``."""

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise
        self._judges: dict[tuple[str, bytes | None], Any] = {}

    async def answers(self, name: str) -> None:
        """Raise `CheckFailed` unless the endpoint's app, as saved by its %%app cell, answers correctly."""
        with doing(f"asking {name}"):
            verdict = await self._judge(name).answers()
        self._settle(
            name, verdict, f"{name}: the responses are right. (Whether other requests have to wait is the next check.)"
        )

    async def race(self, name: str) -> None:
        """Race the endpoint, draw it, and raise `CheckFailed` unless the requests ran side by side."""
        endpoint = self._exercise.endpoint(name)
        judge = self._judge(name)
        with doing(f"racing {name}"):
            verdict = await judge.side_by_side()
        together = "the requests ran side by side, and " if endpoint.barrier != "loop" else ""
        praise = f"{name}: passed: {together}nothing in the app blocked the loop."
        if not endpoint.combined_with and endpoint.barrier != "loop":
            praise += f" ({endpoint.raced} requests were sent together.)"
        if judge.pictured and judge.pictured.blocked:
            lane = judge.pictured.lane
            praise += f"\n(The lane in the picture: {lane}. It was caused by the machine, or is too short to count.)"
        if endpoint.not_checked:
            praise += f"\nWhat this check does not look for: {endpoint.not_checked}"
        self._settle(name, verdict, praise + "\nThe hidden tests repeat this, with other values.")

    async def concurrency(self, name: str) -> None:
        """Run the hidden test: the whole verdict on concurrency, with trials repeated until it's certain."""
        verdict = await self._judge(name).concurrency()
        self._settle(name, verdict, f"{name}: concurrency proved.")

    async def check_list(self, name: str) -> None:
        """Print whether a list of findings can be read, and whether its lines contain the calls that it names.

        It can't say which lines are right, because the learner's copy of the exercise doesn't contain them. Raises
        `CheckFailed` only if there is no list.
        """
        task = self._exercise.endpoint(name)
        if not Path(task.file).is_file():
            raise CheckFailed(_missing(task))
        readable, said = check_readable(Path(task.file).read_text(encoding="utf-8", errors="replace"), task)
        print(folded(("" if readable else "Not yet: ") + said))
        for remark in remarks(Path(task.file).read_text(encoding="utf-8"), Path.cwd()):
            print(folded(remark))

    async def rehearse(self, name: str) -> None:
        """Run a test once against each app in the notebook's folder, and print the results."""
        task = self._exercise.endpoint(name)
        if not Path(task.file).is_file():
            raise CheckFailed(_missing(task))
        with doing("running the test against each app"):
            right, lines = await rehearsed(task, Path.cwd())
        if not lines:
            raise CheckFailed(
                "the apps to try the test on, correct_*.py and incorrect_*.py, are not next to this notebook. "
                "Copy them from the course's folder of this exercise."
            )
        print(folded("\n".join(lines)))
        if not right:
            raise CheckFailed("the test must pass for the correct apps and fail for the others.")
        print("The test knows these apps apart. The hidden ones are more, and each is tried twice.")

    async def score(self, name: str, part: str) -> float:
        """Run a hidden test with partial points: print the verdict, and return the points for nbgrader."""
        # the parts of a text task are decided together: keep its judge for the next part
        text = self._exercise.endpoint(name).file
        key = (name, Path(text).read_bytes() if Path(text).is_file() else None)
        judge = self._judges.setdefault(key, self._judge(name))
        verdict = await judge.verdict_with_retries(part)
        print(folded(verdict.diagnosis))
        return verdict.points(self._exercise.endpoint(name).points[part])

    async def verdict(self) -> None:
        """Print the whole verdict, hidden tests included: PASS, FAIL or ERROR, points and diagnosis of every item.

        It judges the files as the %%app cells saved them, and raises nothing for what a learner's file does.
        """
        if os.environ.get("NBGRADER_EXECUTION"):
            print("This notebook is being graded: the grade is the verdict.")
            return
        points = most = 0.0
        for endpoints in self._exercise.files:
            file = Path(endpoints[0].file)
            async with ServedApp(file, endpoints[0].services) as served:
                for endpoint in endpoints:
                    judge = judging(file, endpoint, served)
                    for part in endpoint.parts:
                        if file.is_file():
                            with doing(f"judging {endpoint.item(part)}"):
                                verdict = await judge.verdict_with_retries(part)
                        else:
                            verdict = Verdict(Outcome.FAIL, DiagnosisKind.DOES_NOT_START, _missing(endpoint))
                        worth = endpoint.points[part]
                        got = verdict.points(worth)
                        points, most = points + got, most + worth
                        print(f"{verdict.outcome.upper():5} {endpoint.item(part)}: {got:g} of {worth:g}", flush=True)
                        if not verdict.passed:
                            print(folded(textwrap.indent(verdict.diagnosis, "      ")))
        print(f"{points:g} of {most:g} points, hidden tests included.")

    async def load(self, seconds: float = 5.0, rate: float = 15) -> Load:
        """Send a load to the file that holds all endpoints while its services are slow; print which lines blocked the loop."""
        endpoint = next(task for task in self._exercise.endpoints if task.combined_with)
        file = Path(endpoint.file)
        if not file.is_file():
            raise CheckFailed(_missing(endpoint))
        asked = {name: await asyncio.to_thread(services.get, name) for name in endpoint.services}
        try:
            async with ServedApp(file, endpoint.services) as served:
                load = await slow_day(await served.app(), endpoint, asked, seconds, rate)
        except AppError as error:
            raise CheckFailed(str(error)) from None
        alerts, windows = load.alerts
        print(
            f"The alert fired in {alerts} of {windows} windows of half a second. The lines that blocked the loop, worst first:"
        )
        print("\n".join(map(str, load.blockers)) or "none.")
        if alerts and not load.blockers:
            print("(Some canaries were late anyway: the machine was busy, or many short blocks added up.)")
        return load

    def target(self, name: str) -> None:
        """Draw the picture of a correct answer: all requests side by side, and a loop that stays free."""
        endpoint = self._exercise.endpoint(name)
        requests = [Request(i, "", start=0.0, end=WAIT, status=200) for i in range(endpoint.raced)]
        canaries = [Canary(0.02 * i, 0.02 * i + 0.003, answered=True) for i in range(int(WAIT / 0.02))]
        ideal = Race(f"the aim for {endpoint.route}", endpoint.file, requests, canaries, began=0.0, end=WAIT)
        live_plot.show(timeline.bundle(timeline.draw(ideal), ideal.sentence))

    def _judge(self, name: str) -> Any:
        endpoint = self._exercise.endpoint(name)
        if not Path(endpoint.file).is_file():
            raise CheckFailed(_missing(endpoint))
        return judging(Path(endpoint.file), endpoint)

    def _settle(self, name: str, verdict: Verdict, praise: str) -> None:
        # a cell that was edited and not run is the most common surprise: say which version was judged
        file = Path(self._exercise.endpoint(name).file)
        saved = f"({file} as it was saved at {datetime.fromtimestamp(file.stat().st_mtime):%H:%M:%S})"
        if not verdict.passed:
            raise CheckFailed(f"{verdict.diagnosis}\n{saved}")
        print(folded(f"{praise} {saved}"))


def _missing(task: Endpoint | TextTask) -> str:
    return f"there is no {task.file} yet. Run the cell that starts with {task.magic} {task.file} first."


def here() -> Checks:
    """Return the `Checks` for the notebook's own folder. Starts the services that its apps call, and passes their addresses on.

    If the exercise asks for the lines that block, races in this process don't name them.
    """
    try:
        exercise = load(Path.cwd())
        if any(task.kind == "findings" for task in exercise.written):
            withhold(Path.cwd())
        for name in sorted({name for task in exercise.tasks for name in (task.service, *task.services) if name}):
            with doing(f"starting the service {name}"):
                os.environ.update(services.get(name).environment)
    except ExerciseError as error:
        raise CheckFailed(f"{error} Open this notebook from its own folder.") from None
    except services.ServiceError as error:
        raise CheckFailed(str(error)) from None
    return Checks(exercise)
