"""Draws each student's variant of an exercise, from the course's seed, the exercise's name and the student's id.

Nothing is recorded but the seed: whoever has it draws the same again. HMAC-SHA256 keeps students who know this code, but not
the seed, from computing the variant of another.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import paths
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import Exercise, load

if TYPE_CHECKING:
    from autograder.judge.spec.variants import Variant

SEED = "variants_seed"  # the file in a course folder


def seed_of(course: Path) -> str:
    """Return the seed of a course folder; "" if no variants have been drawn there."""
    try:
        return (course / SEED).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def keep_seed(course: Path, seed: str = "") -> str:
    """Write a seed, a random one by default, to a course folder that has none. Return the folder's seed.

    Raises `ExerciseError` if the folder has another one: the variants that were handed out come from it.
    """
    known = seed_of(course)
    if known and seed not in ("", known):
        raise ExerciseError(
            f"the variants of this course are drawn from another seed, in {course / SEED}. Leave --seed out, or remove that "
            "file if nothing has been handed out yet"
        )
    if not known:
        known = seed or secrets.token_hex(16)
        shared = course.stat().st_mode & stat.S_ISGID  # a folder of several teachers
        descriptor = os.open(course / SEED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660 if shared else 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(known + "\n")
    return known


def variant(seed: str, exercise: Exercise, student: str) -> Variant | None:
    """Return a student's variant; None if the exercise has none, or without a seed: then everyone has the first one."""
    if not (seed and exercise.variants):
        return None
    key = json.dumps([exercise.lesson, student]).encode()
    number = int.from_bytes(hmac.digest(seed.encode(), key, "sha256"))
    return exercise.variants[number % len(exercise.variants)]


def of_student(course: Path, lesson: str | None, student: str) -> Variant | None:
    """Return the variant of a lesson that a student of a course folder has, or None."""
    return variant(seed_of(course), _loaded(paths.exercise(lesson)), student) if lesson else None


@cache
def _loaded(folder: Path) -> Exercise:
    """Return an exercise, read once in this process."""
    return load(folder)
