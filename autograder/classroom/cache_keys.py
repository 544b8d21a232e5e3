"""What a verdict rests on, as hashes: the same key means that judging again would say the same."""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from autograder import paths
from autograder.classroom import submission as reading
from autograder.judge.spec.exercise import load


def of_submission(file: Path | str, lesson: str, isolation: str) -> str:
    """The key of one submitted notebook: what is judged in it, what judges it, and how it is locked in.

    Text around the graded cells, outputs and metadata are not in it: they have no part in the verdict.
    """
    told = [lesson, isolation, of_exercise(lesson), of_grader(), of_environment()]
    try:
        submission = reading.read(file)
        told += [repr(submission.app(task)) for task in _tasks(lesson)]
    except reading.UnreadableSubmission as broken:
        told += ["broken", str(broken)]
    return _digest(*told)


@cache
def _tasks(lesson: str) -> tuple[Any, ...]:
    return load(paths.SOLUTIONS / lesson).tasks


@cache
def of_exercise(lesson: str) -> str:
    """The exercise, with its catalogue and all that lies beside it."""
    return _of_files(paths.SOLUTIONS / lesson)


@cache
def of_grader() -> str:
    """The code that judges: all that a grading worker imports, and the programs that it starts by path."""
    code = imported_from("autograder.classroom.worker")
    return _digest(*(_of_files(path) for path in [*code, paths.PROGRAMS, paths.WATCHDOG]))


def imported_from(module: str, root: Path = paths.ROOT) -> list[Path]:
    """Return the files of this package that a module imports, itself or through others, wherever in them, in order."""
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
    """Yield the dotted names that a file imports from this package; the last part of one may be no module."""
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
    """Python and the packages that it has."""
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
    """The key of a file of which all counts."""
    return _of_files(Path(file))
