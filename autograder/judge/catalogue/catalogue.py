"""An exercise's catalogue: all answers with a known verdict, and whether the judge agrees with it."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.judge.catalogue import multi_endpoint
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.endpoint import Endpoint, ExerciseError, ExpectedDiagnosis
from autograder.judge.spec.text_task import TextTask
from autograder.judge.spec.variants import Variant, filled, label
from autograder.judge.tasks.factory import judging
from autograder.judge.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from autograder.judge.spec.exercise import Exercise
    from autograder.judge.verdict import Verdict
    from autograder.lab.server import Server
    from autograder.sandbox.launcher import Sandbox


@dataclass(frozen=True)
class Answer:
    """One catalogued answer to an endpoint or a text task. ``wrong`` is the diagnosis that it must get, None if it must pass."""

    endpoint: Endpoint | TextTask
    kind: str  # starter, reference, accepted, wrong
    name: str
    file: Path
    wrong: ExpectedDiagnosis | None
    variant: Variant = field(default_factory=dict)  # of the exercise, with which its text is filled in

    @property
    def text(self) -> str:
        """The whole text of the answer, as it's handed in."""
        return filled(self.file.read_text(encoding="utf-8"), self.variant)

    @property
    def label(self) -> str:
        """The answer's name in reports: ``quote/wrong/pool_of_four``."""
        name = "/".join(part for part in (self.endpoint.id, self.kind, self.name) if part)
        return f"{name} ({label(self.variant)})" if self.variant else name


@dataclass(frozen=True)
class Judged:
    """Both verdicts on one catalogued answer, and in what they differ from the catalogue ("" if they don't).

    ``seconds`` is the whole time including the server's start, ``proof_seconds`` that of the verdict on concurrency alone.
    ``verdicts`` is the number of verdicts. If it isn't two, ``answers`` and ``concurrency`` are both the one that counts.
    """

    answer: Answer | multi_endpoint.MultiEndpointAnswer
    answers: Verdict
    concurrency: Verdict
    complaint: str
    seconds: float = 0.0
    proof_seconds: float = 0.0
    baseline_verdicts: dict[str, Any] | None = None
    verdicts: int = 2

    @property
    def undecided(self) -> bool:
        """True if one of the verdicts is ERROR."""
        return Outcome.ERROR in (self.answers.outcome, self.concurrency.outcome)


def catalogue(exercise: Exercise) -> Sequence[Answer | multi_endpoint.MultiEndpointAnswer]:
    """Return every `Answer` to an exercise's endpoints. Raises `ExerciseError` if files and exercise.toml disagree."""
    if exercise.shop:
        return multi_endpoint.catalogue(exercise)
    return [answer for endpoint in exercise.endpoints for answer in _answers(exercise, endpoint)]


def written(exercise: Exercise) -> list[Answer]:
    """Return every `Answer` to an exercise's text tasks. Raises `ExerciseError` as `catalogue` does."""
    return [answer for task in exercise.written for answer in _answers(exercise, task)]


def _answers(exercise: Exercise, task: Endpoint | TextTask) -> list[Answer]:
    found = [_answer(exercise, task, "starter", "", task.starter), _answer(exercise, task, "reference", "", None)]
    for kind, names in (("accepted", task.accepted), ("wrong", task.wrong)):
        folder = exercise.folder / "answers" / task.cell / kind
        here = {file.stem for file in folder.glob(f"*{Path(task.file).suffix}")}
        for name in sorted(here ^ set(names)):
            raise ExerciseError(
                f"{exercise.lesson}: {task.id}/{kind}/{name} is "
                + ("a file that exercise.toml does not name." if name in here else "named, but has no file.")
            )
        found += [_answer(exercise, task, kind, name, task.wrong[name] if kind == "wrong" else None) for name in names]
    return found


def _answer(
    exercise: Exercise, endpoint: Endpoint | TextTask, kind: str, name: str, wrong: ExpectedDiagnosis | None
) -> Answer:
    return Answer(endpoint, kind, name, exercise.answer_file(endpoint, kind, name), wrong, exercise.variant)


async def judge(
    answer: Answer | multi_endpoint.MultiEndpointAnswer,
    comparison: Callable[[Server, Any], Awaitable[dict[str, Any]]] | None = None,
    sandbox: Sandbox | None = None,
) -> Judged:
    """Judge one catalogued answer on all its items, and compare the verdicts with the catalogue.

    ``comparison`` is called with the running server and the endpoint after both verdicts, and its result is kept as
    ``baseline_verdicts``. Answers in files that hold several endpoints aren't compared. Apps run in ``sandbox``, if there
    is one.
    """
    if isinstance(answer, multi_endpoint.MultiEndpointAnswer):
        return await _judge_whole(answer, sandbox)
    if isinstance(answer.endpoint, TextTask):
        return await _judge_written(answer, sandbox)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="course-answer-", ignore_cleanup_errors=True) as folder:
        # alone in a folder and with the learner's file name, as when it's handed in
        file = Path(folder) / answer.endpoint.file
        file.write_text(answer.text, encoding="utf-8")
        async with ServedApp(file, answer.endpoint.services, sandbox) as served:
            bench = Judge(file, answer.endpoint, served)
            answers = await bench.verdict_with_retries("answers")
            up = time.perf_counter()
            concurrency = await bench.verdict_with_retries("concurrency")
            ended = time.perf_counter()
            baseline_verdicts = None
            if comparison and answers.outcome != Outcome.ERROR:
                baseline_verdicts = await comparison(await served.app(), answer.endpoint)
    complaint = _complaint(answer, answers, concurrency)
    return Judged(answer, answers, concurrency, complaint, ended - began, ended - up, baseline_verdicts)


async def _judge_whole(answer: multi_endpoint.MultiEndpointAnswer, sandbox: Sandbox | None) -> Judged:
    began = time.perf_counter()
    verdicts, complaint = await multi_endpoint.judge(answer, sandbox)
    worst = max(verdicts, key=lambda verdict: list(Outcome).index(verdict.outcome))
    count = len(verdicts)
    if answer.kind == "starter":  # its answers were judged as well
        count += sum(not endpoint.combined_with for endpoint, _ in answer.expected)
    return Judged(answer, worst, worst, complaint, time.perf_counter() - began, verdicts=count)


async def _judge_written(answer: Answer, sandbox: Sandbox | None) -> Judged:
    """Judge a text task. It counts as one verdict even if it has two parts, because the same runs decide both."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="course-answer-", ignore_cleanup_errors=True) as folder:
        file = shutil.copy(answer.file, Path(folder) / answer.endpoint.file)
        bench = judging(file, answer.endpoint, ServedApp(file, sandbox=sandbox))
        *others, verdict = [await bench.verdict_with_retries(part) for part in answer.endpoint.parts]
    complaint = _miss(answer, verdict) if answer.wrong else _failed("it", verdict)
    if not complaint and any(other.passed != bool(verdict.points(1)) for other in others):
        complaint = f"the other part must {'pass' if verdict.points(1) else 'fail'} as well, but: {others[0]}"
    return Judged(answer, verdict, verdict, complaint, time.perf_counter() - began, verdicts=1)


def _complaint(answer: Answer, answers: Verdict, concurrency: Verdict) -> str:
    if answer.wrong is None:
        return _failed("answers", answers) or _failed("concurrency", concurrency)
    if miss := _miss(answer, answers if answer.wrong.part == "answers" else concurrency):
        return miss
    if answer.kind == "starter" and not answers.passed:
        return f"the untouched starter must answer rightly but: {answers.diagnosis}"
    return ""


def _failed(part: str, verdict: Verdict) -> str:
    """Return in what a verdict that must be PASS differs, or ""."""
    return "" if verdict.passed else f"{part} must pass but: {verdict.outcome} {verdict.kind}: {verdict.diagnosis}"


def _miss(answer: Answer, verdict: Verdict) -> str:
    """Return in what a verdict that must be FAIL, with the catalogue's diagnosis, differs, or ""."""
    if verdict.outcome != Outcome.FAIL:
        return f"must fail but: {verdict.outcome} {verdict.diagnosis}"
    if answer.wrong and not answer.wrong.fits(verdict.kind, verdict.diagnosis):
        return f"must get «{answer.wrong}» but: {verdict.kind}: {verdict.diagnosis}"
    return ""
