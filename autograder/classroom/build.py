"""``./course build``: builds ``notebooks/`` from ``solutions/``, reproducibly to the byte."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder import paths
from autograder.classroom import lessons, notebook_sources
from autograder.classroom.nbgrader import config
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import load, public_text
from autograder.services import KINDS

RECORD = paths.ROOT / ".course" / "built.json"


def main(check: bool = False) -> int:
    """Build the notebooks, or with ``check`` print the differences. Return an exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="course-build-") as scratch:
            fresh = build(Path(scratch))
            if not check:
                for name in edited(fresh):
                    print(f"notebooks/{name} has changes that did not come from a build; they are kept as they are.")
                    print(
                        "If it is your work, move it elsewhere; if not, put it back with: git checkout notebooks/"
                        + name
                    )
                    return 1
                install(fresh)
                print(f"built {len([name for name in fresh if name.endswith('.ipynb')])} notebooks in notebooks/")
                return 0
            problems = differences(fresh)
    except (ExerciseError, NbGraderException) as error:
        print(error)
        return 2
    for problem in problems:
        print(problem)
    if problems:
        print("Run ./course build and commit what it changes. Notebooks are never edited by hand.")
        return 1
    print("notebooks/ is what solutions/ makes.")
    return 0


def build(scratch: Path) -> dict[str, bytes]:
    """Return all products as {path in ``notebooks/``: bytes}; ``scratch`` is an empty folder."""
    products = {}
    lessons.check_unique(paths.exercises())
    walkthroughs = sorted(folder for folder in paths.SOLUTIONS.glob("[0-9][0-9]_*") if (folder / "lesson.py").is_file())
    for folder in walkthroughs:
        products[f"{folder.name}/lesson_{folder.name}.ipynb"] = as_bytes(notebook_sources.lesson_notebook(folder))
    for folder in paths.exercises():
        write_source(folder, scratch / "source")
        generate(scratch, folder.name)
        name = f"{folder.name}/exercise_{folder.name}.ipynb"
        released = nbformat.read(scratch / "release" / name, as_version=4)
        products[name] = as_bytes(released)
        products[f"{folder.name}/exercise.toml"] = public_text(folder).encode()
        products |= {f"{folder.name}/{file.name}": file.read_bytes() for file in given(folder)}
    return products


def given(folder: Path) -> list[Path]:
    """Return the files that learners get with an exercise unchanged, for example an app or a library."""
    asked = {name for endpoint in load(folder).endpoints for name in endpoint.services}
    app_files = {file for name in asked for file in KINDS[name].app_files}
    return sorted(app_files.union(file for file in (folder / "given").glob("*") if file.is_file()))


def write_source(
    folder: Path, source: Path, worth: float | None = None, variant: Mapping[str, Any] | None = None
) -> None:
    """Write nbgrader's source of one exercise below ``source``: its notebook, its public exercise file, and given files.

    An exercise with variants is written as the ``variant`` that's named, or with the first value of each list. With
    ``worth``, the points of its graded cells are scaled so that they add up to that number.
    """
    target = source / folder.name
    target.mkdir(parents=True)
    notebook = notebook_sources.exercise_notebook(folder, variant)
    if worth is not None:
        _scale_points(notebook, worth)
    nbformat.write(notebook, target / f"exercise_{folder.name}.ipynb")
    (target / "exercise.toml").write_text(public_text(folder, variant), encoding="utf-8")
    for file in given(folder):
        shutil.copy(file, target)


def _scale_points(notebook: nbformat.NotebookNode, worth: float) -> None:
    """Scale the points of graded cells in their metadata to add up to ``worth``, to three decimals."""
    cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    total = sum(cell.metadata.nbgrader["points"] for cell in cells)
    left = worth
    for number, cell in enumerate(cells):
        is_last = number == len(cells) - 1
        share = round(left if is_last else cell.metadata.nbgrader["points"] * worth / total, 3)
        left -= share
        cell.metadata.nbgrader["points"] = int(share) if share == int(share) else share


def generate(root: Path, lesson: str) -> None:
    """Run nbgrader's generate_assignment, without a database, from ``root/source`` to ``root/release``."""
    settings = Config()
    config.apply(settings)
    settings.CourseDirectory.root = str(root)
    settings.CourseDirectory.assignment_id = lesson
    settings.GenerateAssignment.no_database = True
    settings.GenerateAssignment.preprocessors = config.preprocessors(database=False)
    GenerateAssignment(coursedir=CourseDirectory(config=settings), config=settings).start()


def as_bytes(notebook: nbformat.NotebookNode) -> bytes:
    """Return a notebook as it's committed: without outputs and execution counts, and only with the build's metadata."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = {key: notebook.metadata[key] for key in ("kernelspec", "course")}
    return (nbformat.writes(notebook) + "\n").encode()


def edited(products: dict[str, bytes]) -> list[str]:
    """Return the products whose file is neither git's version, nor that of the last build, nor that of this one."""
    last = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    found = []
    for name, data in products.items():
        file = paths.NOTEBOOKS / name
        if not file.is_file() or file.read_bytes() == data or digest(file.read_bytes()) == last.get(name):
            continue
        committed = git("show", f"HEAD:./{name}")
        if committed is None or committed != file.read_bytes():
            found.append(name)
    return found


def install(products: dict[str, bytes]) -> None:
    """Write the products, remove committed files that are no longer built, and record what was written."""
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({name: digest(data) for name, data in products.items()}, indent=1))
    for name, data in products.items():
        file = paths.NOTEBOOKS / name
        if not (file.is_file() and file.read_bytes() == data):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    for name in strays(products):
        (paths.NOTEBOOKS / name).unlink()
    for folder in paths.NOTEBOOKS.glob("*/"):
        if not any(folder.iterdir()):
            shutil.rmtree(folder)


def differences(products: dict[str, bytes]) -> list[str]:
    """Return a sentence for each product that is missing, outdated or unknown."""
    found = []
    for name, data in sorted(products.items()):
        file = paths.NOTEBOOKS / name
        if not file.is_file():
            found.append(f"notebooks/{name} is missing.")
        elif file.read_bytes() != data:
            found.append(f"notebooks/{name} is not what solutions/ makes.")
    return found + [f"notebooks/{name} comes from nothing in solutions/." for name in strays(products)]


def strays(products: Iterable[str]) -> list[str]:
    """Return the committed files in ``notebooks/`` that aren't built. A learner's own files don't count."""
    tracked = [name for name in (git("ls-files", "-z", "--", ".") or b"").decode().split("\0") if name]
    return [name for name in tracked if name not in products and (paths.NOTEBOOKS / name).exists()]


def git(*words: str) -> bytes | None:
    """Run git in ``notebooks/`` and return its output; None if it fails (no git, no clone, no such file)."""
    try:
        return subprocess.run(["git", *words], cwd=paths.NOTEBOOKS, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
