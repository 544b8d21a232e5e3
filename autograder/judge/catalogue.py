"""An exercise's catalogue: every answer whose verdict is known beforehand, and whether the judge agrees."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import whole
from .exercise import Endpoint, ExerciseError, Wrong
from .judge import Judge, Served


@dataclass(frozen=True)
class Answer:
    """One catalogued answer: ``wrong`` is what it must be told, or None if it must pass."""

    endpoint: Endpoint
    kind: str  # starter, reference, accepted, wrong
    name: str
    file: Path
    wrong: Wrong | None

    @property
    def label(self):
        return "/".join(part for part in (self.endpoint.id, self.kind, self.name) if part)


@dataclass(frozen=True)
class Judged:
    """Both verdicts on one catalogued answer, and what is wrong with them ("" if nothing is).

    ``seconds`` is what it took with the server's start, ``proof_seconds`` the verdict on concurrency alone.
    """

    answer: Answer
    answers: object
    concurrency: object
    complaint: str
    seconds: float = 0.0
    proof_seconds: float = 0.0
    rivals: dict | None = None

    @property
    def undecided(self):
        return "error" in (self.answers.outcome, self.concurrency.outcome)


def catalogue(exercise):
    """Every `Answer` of an exercise.  Raises `ExerciseError` where files and exercise.toml disagree."""
    if exercise.shop:
        return whole.catalogue(exercise)
    found = []
    for endpoint in exercise.endpoints:
        found.append(_answer(exercise, endpoint, "starter", "", endpoint.starter))
        found.append(_answer(exercise, endpoint, "reference", "", None))
        for kind, names in (("accepted", endpoint.accepted), ("wrong", endpoint.wrong)):
            folder = exercise.folder / "answers" / endpoint.cell / kind
            here = {file.stem for file in folder.glob("*.py")}
            for name in sorted(here ^ set(names)):
                raise ExerciseError(
                    f"{exercise.lesson}: {endpoint.id}/{kind}/{name} is "
                    + ("a file that exercise.toml does not name." if name in here else "named, but has no file.")
                )
            found += [
                _answer(exercise, endpoint, kind, name, endpoint.wrong[name] if kind == "wrong" else None)
                for name in names
            ]
    return found


def _answer(exercise, endpoint, kind, name, wrong):
    return Answer(endpoint, kind, name, exercise.answer_file(endpoint, kind, name), wrong)


async def judge(answer, beside=None):
    """Judge one catalogued answer on both items and compare with what is known of it.

    ``beside`` is a coroutine function that is called with the running server and the endpoint when both verdicts are
    there; what it returns is kept as ``rivals``.
    """
    if isinstance(answer, whole.Whole):
        return await _judge_whole(answer)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="course-answer-", ignore_cleanup_errors=True) as folder:
        # alone in a folder and under the learner's name, as when it is handed in
        file = shutil.copy(answer.file, Path(folder) / answer.endpoint.file)
        async with Served(file, answer.endpoint.services) as served:
            bench = Judge(file, answer.endpoint, served)
            answers = await bench.certain("answers")
            up = time.perf_counter()
            concurrency = await bench.certain("concurrency")
            ended = time.perf_counter()
            rivals = None
            if beside and answers.outcome != "error":
                rivals = await beside(await served.app(), answer.endpoint)
    complaint = _complaint(answer, answers, concurrency)
    return Judged(answer, answers, concurrency, complaint, ended - began, ended - up, rivals)


async def _judge_whole(answer):
    began = time.perf_counter()
    verdicts, complaint = await whole.judge(answer)
    worst = max(verdicts, key=lambda verdict: ("pass", "fail", "error").index(verdict.outcome))
    return Judged(answer, worst, worst, complaint, time.perf_counter() - began)


def _complaint(answer, answers, concurrency):
    if answer.wrong is None:
        for part, verdict in (("answers", answers), ("concurrency", concurrency)):
            if not verdict.passed:
                return f"{part} must pass but: {verdict.outcome} {verdict.kind}: {verdict.diagnosis}"
        return ""
    if concurrency.outcome != "fail":
        return f"must fail but: {concurrency.outcome} {concurrency.diagnosis}"
    if concurrency.kind != answer.wrong.kind or answer.wrong.says not in concurrency.diagnosis:
        wanted = answer.wrong.kind + (f" … {answer.wrong.says}" if answer.wrong.says else "")
        return f"must be told «{wanted}» but: {concurrency.kind}: {concurrency.diagnosis}"
    if answer.kind == "starter" and not answers.passed:
        return f"the untouched starter must answer rightly but: {answers.diagnosis}"
    return ""
