"""Cache keys of verdicts: hashes of everything that a verdict depends on."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from autograder import paths
from autograder.classroom import submission as reading
from autograder.judge.spec.exercise import load
from autograder.judge.spec.variants import Variant


def of_submission(file: Path | str, lesson: str, isolation: str, variant: Variant | None = None) -> str:
    """Return the key of one submitted notebook, from the answers in it, the code that judges it, and the isolation.

    Text around the graded cells, outputs and metadata don't enter the key, because they don't affect the verdict. If the
    exercise has variants, the student's ``variant`` enters it, and the one that the notebook says it is.
    """
    parts = [lesson, isolation, of_exercise(lesson), of_grader(), of_environment()]
    try:
        submission = reading.read(file)
        parts += [repr(submission.app(task)) for task in _tasks(lesson)]
        parts += [json.dumps(variant, sort_keys=True), submission.variant or ""] if variant else []
    except reading.UnreadableSubmission as broken:
        parts += ["broken", str(broken)]
    return _digest(*parts)


def of_answers(files: Iterable[tuple[Path, str]]) -> str:
    """Return a hash of a student's answers alone, in (file, lesson) pairs: the same for the same text, independent of the judge."""
    parts = []
    for file, lesson in files:
        with contextlib.suppress(reading.UnreadableSubmission):
            submission = reading.read(file)
            parts += [lesson, *(repr(submission.app(task)[0]) for task in _tasks(lesson))]
    return _digest(*parts)


@cache
def _tasks(lesson: str) -> tuple[Any, ...]:
    return load(paths.exercise(lesson)).tasks


@cache
def of_exercise(lesson: str) -> str:
    """Return a hash of the exercise's folder, including the catalogue."""
    return _of_files(paths.exercise(lesson))


@cache
def of_grader(root: Path = paths.ROOT) -> str:
    """Return a hash of a clone's judging code: all modules that a grading worker imports, and the scripts that it starts."""
    by_path = [root / path.relative_to(paths.ROOT) for path in (paths.PROGRAMS, paths.WATCHDOG)]
    return _digest(of_code("autograder.classroom.worker", root), *(_of_files(path) for path in by_path))


@cache
def of_code(module: str, root: Path = paths.ROOT) -> str:
    """Return a hash of a module of this package and of all that it imports, directly or indirectly."""
    return _digest(*(_of_files(path) for path in imported_from(module, root)))


def imported_from(module: str, root: Path = paths.ROOT) -> list[Path]:
    """Return the sorted files of this package that a module imports, directly or indirectly, anywhere in the code."""
    found: set[Path] = set()
    todo = [module]
    while todo:
        parts = todo.pop().split(".")
        for depth in range(1, len(parts) + 1):  # importing a module imports the packages above it
            place = root.joinpath(*parts[:depth])
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if file.is_file() and file not in found:
                found.add(file)
                todo += _imports_of(file)
    return sorted(found)


def _imports_of(file: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports from this package; the last part may not be a module."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "autograder")


@cache
def of_environment() -> str:
    """Return a hash of the Python version and the installed packages."""
    packages = sorted({f"{d.metadata['Name']} {d.version}" for d in metadata.distributions()})
    return _digest(platform.python_version(), platform.machine(), *packages)


def _of_files(path: Path) -> str:
    files = [path] if path.is_file() else sorted(f for f in Path(path).rglob("*") if f.is_file())
    kept = [file for file in files if "__pycache__" not in file.parts]
    return _digest(*(part for file in kept for part in (file.name, file.read_bytes())))


def _digest(*parts: str | bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode(errors="surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def of_file(file: Path | str) -> str:
    """Return the hash of a whole file; "" if it doesn't exist."""
    return _of_files(Path(file)) if Path(file).is_file() else ""
