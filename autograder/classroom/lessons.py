"""Finds the lesson of the course to which an assignment belongs.

The teacher's own files say so: the notebook in ``source/``, in its metadata, then the names of the notebook and of the
assignment. The ids of graded cells alone decide only where nothing else is known, because copied exercises share them.
"""

import json
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from autograder import paths
from autograder.errors import UserFacingError
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import Exercise, load, public_text
from autograder.judge.spec.variants import label

# keys that don't change how an answer is judged, so a teacher may edit them
HARMLESS = {"title", "points", "not_checked", "starter"}


class LessonMismatch(UserFacingError):
    """An assignment can't be judged by the rules of any exercise of this course; the message says what to do."""


def lesson_of(
    grade_ids: Iterable[str], assignment: str = "", notebook: str = "", source: Path | None = None
) -> str | None:
    """Return the lesson whose exercise judges a notebook, or None for a notebook that isn't of this course.

    ``grade_ids`` are the ids of its graded code cells as the gradebook has them, ``source`` is the folder of the
    assignment in the teacher's ``source/``. Raises `LessonMismatch` if that folder names an exercise that this course
    doesn't have, or one whose rules were edited.
    """
    ids = set(grade_ids)
    names = [folder.name for folder in paths.exercises()]
    stated = _stated(source / f"{notebook}.ipynb") if source else None
    if stated and stated not in names:
        raise LessonMismatch(
            f"{assignment}: its notebook belongs to the exercise {stated!r}, which this course doesn't have. Put the "
            f"exercise into solutions/{stated}, name your own folder with: class new FOLDER --exercises, or start a copy "
            "with: class add-exercise"
        )
    for name in (stated, notebook.removeprefix("exercise_"), assignment):
        if name in names and items_of(name) & ids:
            if source:
                _check_rules(source, name, assignment)
            return name
    complete = [name for name in names if items_of(name) <= ids]
    return max(complete, key=lambda name: len(items_of(name)), default=None)


@cache
def items_of(lesson: str) -> frozenset[str]:
    """Return the ids of the graded items of a lesson."""
    tasks = load(paths.exercise(lesson)).tasks
    return frozenset(task.item(part) for task in tasks for part in task.parts)


def check_unique(folders: Iterable[Path]) -> None:
    """Raise `ExerciseError` if an exercise isn't called like its folder, or two have the same endpoint ids."""
    known: dict[frozenset[str], str] = {}
    names: dict[str, Path] = {}
    for folder in folders:
        if (other := names.setdefault(folder.name, folder)) != folder:
            raise ExerciseError(
                f"{other} and {folder} have the same name. Rename your own, here and in its exercise.toml."
            )
        exercise = load(folder)
        _check_variants(exercise)
        if exercise.lesson != folder.name:
            raise ExerciseError(
                f'{folder.name}/exercise.toml says lesson = "{exercise.lesson}"; it must be the name of its folder. To copy '
                f"an exercise, run: ./course class add-exercise {exercise.lesson} {folder.name}"
            )
        ids = [task.id for task in exercise.tasks]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ExerciseError(f"{folder.name}/exercise.toml has the endpoint id {twice[0]!r} twice.")
        same = known.setdefault(frozenset(ids), folder.name)
        if same != folder.name:
            raise ExerciseError(
                f"{same} and {folder.name} have the same endpoint ids ({', '.join(ids)}), so a submission doesn't show "
                f"which of them it answers. Copy with: ./course class add-exercise {same} NAME, which renames the ids."
            )


def _check_variants(exercise: Exercise) -> None:
    """Raise `ExerciseError` if variants differ in what the gradebook has once for all students."""

    def fixed(one: Exercise) -> list[Any]:
        return sorted([task.id, task.file, [*task.points.items()], *task.services] for task in one.tasks)

    for variant in exercise.variants:
        if fixed(load(exercise.folder, variant)) != fixed(exercise):
            raise ExerciseError(
                f"{exercise.lesson}/exercise.toml: ids, files, points and services are the same in all variants, but not in "
                f"the one with {label(variant)}."
            )


def _stated(file: Path) -> str | None:
    """Return the lesson in the metadata of one of the teacher's notebooks, or None."""
    try:
        lesson = json.loads(file.read_text(encoding="utf-8"))["metadata"]["course"]["lesson"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return lesson if isinstance(lesson, str) else None


def _check_rules(source: Path, lesson: str, assignment: str) -> None:
    """Raise `LessonMismatch` if the exercise.toml that students got has other rules than the lesson's."""
    try:
        theirs = _rules((source / "exercise.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as problem:
        raise LessonMismatch(f"{assignment}: {source / 'exercise.toml'} can't be read: {problem}.") from None
    if theirs != _rules(public_text(paths.exercise(lesson))):
        raise LessonMismatch(
            f"{assignment}: {source / 'exercise.toml'} isn't the one of {lesson} any more, and answers would be judged by "
            f"the rules of {lesson}. For an exercise with rules of its own, run ./course class add-exercise {lesson} NAME "
            "in the clone, edit solutions/NAME there, and add it to this folder with: class new FOLDER --lessons NAME"
        )


def _rules(text: str) -> list[dict[str, Any]]:
    """Return what decides verdicts in the public text of an exercise file. Raises `tomllib.TOMLDecodeError`."""
    data = tomllib.loads(text)
    entries = [*data.get("endpoint", ()), *data.get("written", ())]
    return [{key: value for key, value in entry.items() if key not in HARMLESS} for entry in entries]
