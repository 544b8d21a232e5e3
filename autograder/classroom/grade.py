"""``./course grade``: the whole verdict on submissions, including the hidden tests, which it doesn't show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autograder import paths
from autograder.classroom import intake, race_picture
from autograder.classroom import submission as reading
from autograder.classroom.printable import printable
from autograder.classroom.progress import Progress
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec import variants
from autograder.judge.spec.exercise import Exercise, load
from autograder.judge.spec.variants import Variant
from autograder.judge.tasks.factory import judging
from autograder.judge.verdict import DiagnosisKind, Outcome, Verdict
from autograder.sandbox import levels
from autograder.sandbox.temporary import temporary_folder

# what an app does that answers the requests of another variant: those of this one aren't there, or have other answers
OTHER_KINDS = {DiagnosisKind.WRONG_ANSWER, DiagnosisKind.SERVER_ERROR}


class AnotherVariant(reading.UnreadableSubmission):
    """What was handed in belongs to another student's variant. It costs no points: a person must look at it."""

    outcome = Outcome.ERROR

    def __init__(self, own: Variant, other: Variant) -> None:
        this, that = variants.differences(own, other)
        super().__init__(
            f"this is the variant of another student ({that}); this student's has {this}. A person decides what it's worth."
        )


class WrongNotebook(reading.UnreadableSubmission):
    """A notebook was submitted for a lesson that it doesn't belong to. It costs no points: a person must look at it."""

    outcome = Outcome.ERROR


@dataclass
class Item:
    """The result for one graded cell.

    ``kind`` is the kind of its diagnosis (`autograder.judge.verdict.DiagnosisKind`). ``race`` is the data for a picture of
    the student's race (`race_picture.summary`), if the item was decided by races.
    """

    id: str
    points: float
    max_points: float
    outcome: Outcome
    diagnosis: str
    kind: str = ""
    race: dict[str, Any] | None = None


@dataclass
class Result:
    """The result for one submission; ``seconds`` is how long grading took, ``isolation`` the level of isolation."""

    path: str
    lesson: str | None
    isolation: str = "none"
    points: float = 0
    max_points: float = 0
    seconds: float = 0.0
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.points += item.points
        self.max_points += item.max_points


def main(names: list[str], as_json: bool = False, isolation: str = "none") -> int:
    """Grade files and folders of submissions, with the best available isolation, which must be at least ``isolation``.

    Returns 0 if all have all points, 1 if not, 2 for bad input or too little isolation.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names and messages may contain any character
    files, problems = find(names)
    for problem in problems:
        print(printable(problem), file=sys.stderr)
    if not files:
        if not problems:
            print("There is no exercise notebook there.", file=sys.stderr)
        return 2
    try:
        found = levels.at_least(isolation)
    except levels.IsolationUnavailable as low:
        print(low, file=sys.stderr)
        return 2
    if not as_json:
        print(found.sentence, flush=True)
    try:
        results = asyncio.run(_grade_all(files, found, quiet=as_json))
    finally:
        if found.sandbox:
            found.sandbox.close()
    if as_json:
        print(json.dumps({"submissions": [asdict(result) for result in results]}, indent=2))
    if problems:
        return 2
    return 0 if all(result.points == result.max_points and result.max_points for result in results) else 1


def find(names: list[str]) -> tuple[list[Path], list[str]]:
    """Return (notebook files, messages on problems) for the given files and folders."""
    files, problems = [], []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(f for f in path.rglob("*.ipynb") if ".ipynb_checkpoints" not in f.parts and not _lesson(f))
            files += inside
            if not inside:
                problems.append(f"{name}: there is no exercise notebook in this folder.")
        elif path.exists() or path.is_symlink():
            files.append(path)
        else:
            problems.append(f"{name}: there is no such file or folder.")
    return files, problems


def _lesson(file: Path) -> bool:
    """Return True for a walk-through, which has nothing to grade and is skipped in folders."""
    if not file.name.startswith("lesson_"):
        return False  # the build gives walk-throughs no other name; so each submission is read only once
    try:
        return reading.read(file).kind == "lesson"
    except reading.UnreadableSubmission:
        return False


async def _grade_all(files: list[Path], found: levels.Isolation, quiet: bool) -> list[Result]:
    """Grade one file after the other and print each result; if ``quiet``, only progress, on stderr."""
    results = []
    progress = Progress(len(files))
    for file in files:
        result = await grade(file, found.sandbox)
        results.append(result)
        if quiet:
            progress.one()
        else:
            print(as_text(result), flush=True)
    if quiet:
        progress.end()
    return results


async def grade(
    file: Path | str, sandbox: Any = None, lesson: str | None = None, variant: Variant | None = None
) -> Result:
    """Return the `Result` for one notebook file; its apps run in ``sandbox``. Nothing that a learner can do to it raises.

    ``lesson`` is the lesson for which it was submitted, if known, and ``variant`` the one that the student was given, if it
    has variants. Otherwise the notebook itself says both.
    """
    began = time.perf_counter()
    exercises = {folder.name: folder for folder in paths.exercises()}
    result = Result(str(file), lesson, sandbox.level if sandbox else "none")
    try:
        submission = reading.read(file)
        result.lesson = lesson or _which(submission, exercises)
        exercise = load(
            exercises[result.lesson], variant if lesson else _said_variant(submission, exercises[result.lesson])
        )
        if lesson and (mistake := intake.mistaken(submission, exercise)):
            raise WrongNotebook(f"it {mistake}.")
        if other := _other_variant(submission, exercise):
            raise AnotherVariant(exercise.variant, other)
    except reading.UnreadableSubmission as broken:
        meant = next((name for name in exercises if Path(file).name.startswith(f"exercise_{name}")), None)
        result.lesson = result.lesson or meant
        if result.lesson:
            exercise = load(exercises[result.lesson])
            for endpoint in exercise.tasks:
                for part in endpoint.parts:
                    result.add(
                        Item(endpoint.item(part), 0, endpoint.points[part], broken.outcome, f"Not graded: {broken}")
                    )
        else:
            result.add(Item("submission", 0, 0, Outcome.ERROR, f"Not graded: {broken}"))
    else:
        for endpoints in exercise.files:
            for item in await _file(submission, endpoints, sandbox, exercise):
                result.add(item)
    result.seconds = round(time.perf_counter() - began, 3)
    return result


def _said_variant(submission: reading.Submission, folder: Path) -> Variant | None:
    """Return the variant of an exercise that a notebook says it is, or None."""
    return next((one for one in load(folder).variants if variants.tag(one) == submission.variant), None)


def _other_variant(submission: reading.Submission, exercise: Exercise) -> Variant | None:
    """Return the variant that a notebook says it is, if it's one of the exercise's, but not this one."""
    said = _said_variant(submission, exercise.folder) if exercise.variant else None
    return said if said != exercise.variant else None


def _which(submission: reading.Submission, exercises: dict[str, Path]) -> str:
    """Return the lesson that a submission belongs to, according to its metadata or its cells."""
    if submission.lesson in exercises and submission.kind == "exercise":
        return submission.lesson
    if submission.kind == "lesson":
        raise reading.UnreadableSubmission(
            "this is the walk-through of a lesson, there is nothing to grade. Hand in the exercise."
        )
    for name, folder in exercises.items():
        if any(submission.app(endpoint)[0] for endpoint in load(folder).tasks):
            return name
    raise reading.UnreadableSubmission(
        "no graded cell of any exercise was found in it. Hand in the exercise notebook itself, with its cells."
        if submission.lesson is None
        else f"it says that it belongs to lesson {submission.lesson!r}, which this course does not have."
    )


async def _file(
    submission: reading.Submission, endpoints: tuple[Any, ...], sandbox: Any, exercise: Exercise
) -> list[Item]:
    """Return the items of the endpoints in one file, which is served once for all of them."""
    text, remark = submission.app(endpoints[0])
    if text is None:
        return [
            Item(endpoint.item(part), 0, endpoint.points[part], Outcome.FAIL, f"Not graded: {remark}")
            for endpoint in endpoints
            for part in endpoint.parts
        ]
    items = []
    with temporary_folder("course-grade-") as folder:
        file = Path(folder) / endpoints[0].file
        file.write_text(text, encoding="utf-8", errors="replace")
        async with ServedApp(file, endpoints[0].services, sandbox) as served:
            for endpoint in endpoints:
                found = await _safely(judging(file, endpoint, served), endpoint, remark)
                if exercise.variant and any(item.kind in OTHER_KINDS for item in found):
                    found = await _as_another(found, file, endpoint, served, exercise)
                items += found
    return items


async def _as_another(
    items: list[Item], file: Path, endpoint: Any, served: ServedApp, exercise: Exercise
) -> list[Item]:
    """Return the items of an answer that isn't right for its student's variant: undecided if it's right for another one."""

    def distance(variant: Variant) -> int:
        return sum(variant[name] != value for name, value in exercise.variant.items())

    others: dict[str, tuple[Any, Variant]] = {}  # of the variants that ask the same of this endpoint, the closest
    for variant in sorted(exercise.variants, key=distance):
        other = load(exercise.folder, variant).endpoint(endpoint.id)
        others.setdefault(repr((other.request, other.answer)), (other, variant))
    others.pop(repr((endpoint.request, endpoint.answer)))
    answered = await Judge(file, endpoint, served).first_answered(other for other, _ in others.values())
    for other, variant in others.values():
        if other is answered:
            why = f"Not graded: {AnotherVariant(exercise.variant, variant)}"
            return [Item(item.id, 0, item.max_points, Outcome.ERROR, why) for item in items]
    return items


async def _safely(judge: Any, endpoint: Any, remark: str) -> list[Item]:
    """Return the items of one endpoint. A bug in the grader makes them an ERROR, and doesn't affect other endpoints."""
    try:
        items = []
        for part in endpoint.parts:
            item = _item(endpoint, part, await judge.verdict_with_retries(part), remark)
            if part == "concurrency":
                races = getattr(judge, "races", [])  # findings and tests aren't raced
                with contextlib.suppress(Exception):  # a picture must never cost a verdict
                    item.race = race_picture.of_verdict(races, item.outcome == "fail", endpoint.route)
            items.append(item)
        return items
    except Exception as problem:
        diagnosis = f"No verdict: the grader failed ({type(problem).__name__}). Please report this."
        return [
            Item(endpoint.item(part), 0, endpoint.points[part], Outcome.ERROR, diagnosis) for part in endpoint.parts
        ]


def _item(endpoint: Any, part: str, verdict: Verdict, remark: str) -> Item:
    points = verdict.points(endpoint.points[part])
    diagnosis = printable((verdict.diagnosis + ("" if verdict.passed else remark)).strip(), "\n")
    return Item(endpoint.item(part), points, endpoint.points[part], verdict.outcome, diagnosis, verdict.kind)


def as_text(result: Result) -> str:
    """Return a result as text: a line for each item, with the diagnosis below it."""
    lines = [
        f"{printable(result.path)}: {result.points:g} of {result.max_points:g} points, hidden tests included ({result.seconds:.1f} s)"
    ]
    said = ""
    for item in result.items:
        lines.append(f"  {item.outcome.upper():5} {item.id}: {item.points:g} of {item.max_points:g}")
        if item.diagnosis and item.diagnosis != said:
            said = item.diagnosis
            lines += ["        " + line for line in item.diagnosis.splitlines()]
    return "\n".join(lines)
