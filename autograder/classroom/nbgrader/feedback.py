"""Feedback pages: points, diagnoses, and the student's code with line numbers and the named lines marked.

A page is nbgrader's own, with three changes: what isn't about the student's work is left out, long lines wrap, and the code
of an app has line numbers.
"""

import html
import io
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder import paths
from autograder.classroom.handed_in import wrong_kind
from autograder.classroom.lessons import lesson_of
from autograder.classroom.nbgrader import safe_html
from autograder.judge.spec.exercise import load

STYLE = """
div.output_area pre, div.output_subarea pre, div.input_area pre { white-space: pre-wrap; overflow-wrap: anywhere; }
div.prompt { display: none; }
div.numbered .line { display: block; padding-left: 4.5em; text-indent: -4.5em; }
div.numbered .marked { background: #fff3c4; border-left: 4px solid #b35900; font-weight: bold; }
div.numbered .number { display: inline-block; width: 3.5em; margin-right: 1em; text-align: right; text-indent: 0; color: #666;
  user-select: none; }
"""
RELEASE_FILES = ("timestamp.txt", "submission_secret.txt")
RELEASE_FILE_LIMIT = 4096  # bytes
NOT_GRADED = "<!-- this submission could not be graded -->"
PAGE = """{mark}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 45em; margin: 2em auto; padding: 0 1em; overflow-wrap: anywhere; }}</style>
</head><body>
<h1>{name}</h1>
<p><strong>This submission isn't graded yet.</strong></p>
<p>{why}</p>
<p>No points were taken off. Fix the file and hand it in again, or ask your teacher.</p>
</body></html>
"""


class StudentsView(NbGraderPreprocessor):
    """Reduces a notebook of this course to what its student must see, and notes which lines the diagnoses name."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Leave a teacher's own notebooks as they are; for ours, keep titles, answers, verdicts and comments."""
        resources.setdefault("inlining", {}).setdefault("css", []).append(STYLE)
        graded = [c.metadata.nbgrader["grade_id"] for c in nb.cells if utils.is_grade(c) and not utils.is_solution(c)]
        about = resources["nbgrader"]
        lesson = lesson_of(graded, about["assignment"], about["notebook"])
        if lesson:
            nb.cells = only_results(nb.cells)
            self._mark(nb, lesson)
        return nb, resources

    def _mark(self, nb: NotebookNode, lesson: str) -> None:
        """Put into each answer's metadata the lines of its file that a diagnosis names."""
        cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in nb.cells}
        for tasks in load(paths.exercise(lesson)).files:
            answer = cells.get(tasks[0].cell)
            if answer is None:
                continue
            said = "\n".join(
                text_of(cells[task.item(part)]) for task in tasks for part in task.parts if task.item(part) in cells
            )
            answer.metadata["marked_lines"] = sorted(named_lines(said, tasks[0].file))


def only_results(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Return the title, and each cell that nbgrader knows, below the last section title in front of it.

    Cells that draw or measure have no output in a graded notebook, so what announces a picture goes too.
    """
    kept: list[NotebookNode] = []
    title: NotebookNode | None = None
    for index, cell in enumerate(cells):
        if cell.metadata.get("nbgrader"):
            kept += [title] if title else []
            kept.append(cell)
            title = None
        elif cell.cell_type == "markdown" and cell.source.lstrip().startswith("#"):
            after = cells[index + 1] if index + 1 < len(cells) else None
            if after and after.cell_type == "code" and not after.metadata.get("nbgrader") and "target(" in after.source:
                text, _, last = cell.source.rpartition("\n\n")
                if text and not last.lstrip().startswith(("#", "<")):
                    cell.source = text
            if index == 0:
                kept.append(cell)
            else:
                title = cell
    return kept


def named_lines(said: str, file: str) -> set[int]:
    """Return the numbers of lines that a diagnosis names: "in line 9", "(line 9: ...)" or "report.py:9"."""
    return {
        int(number)
        for pair in re.findall(rf"\bline\s+(\d+)\b|\b{re.escape(file)}:(\d+)\b", said)
        for number in pair
        if number
    }


def text_of(cell: NotebookNode) -> str:
    """Return what a graded cell says."""
    outputs = cell.get("outputs", [])
    return "\n".join(output.get("text", "") or output.get("evalue", "") for output in outputs)


def numbered(source: str, marked: list[int]) -> str:
    """Return Python code as HTML with a number in front of each line, and an arrow at those that are ``marked``."""
    if safe_html.has_colours(source):
        # ours are the divs; pygments would end a span in each line of a text that has several
        text = highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    else:
        text = html.escape(safe_html.shortened(source))
    lines = text.rstrip("\n").split("\n")
    rows = []
    for number, line in enumerate(lines, 1):
        is_marked = number in marked
        label = f"&#9654; {number}" if is_marked else str(number)
        rows.append(
            f'<span class="line{" marked" if is_marked else ""}" id="L{number}"><span class="number">{label}</span>{line}</span>'
        )
    return '<div class="highlight hl-ipython3 numbered"><pre>' + "".join(rows) + "</pre></div>"


def code(source: str, language: str | None = None, metadata: dict[str, Any] | None = None) -> str:
    """Return a cell's code as HTML, with line numbers if `StudentsView` has marked the cell."""
    if metadata and "marked_lines" in metadata:
        return numbered(source, metadata["marked_lines"])
    return safe_html.highlighted(source, language, metadata)


class CompiledTemplates(BytecodeCache):
    """Keeps compiled templates in memory: nbconvert would compile all of them again for each page."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load a template if it was compiled before; ``bucket`` checks that its source is the same."""
        if bucket.key in self._compiled:
            bucket.load_bytecode(io.BytesIO(self._compiled[bucket.key]))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template that was compiled just now."""
        file = io.BytesIO()
        bucket.write_bytecode(file)
        self._compiled[bucket.key] = file.getvalue()


TEMPLATES = CompiledTemplates()


class FeedbackExporter(HTMLExporter):
    """nbgrader's HTML exporter, with line numbers in the cells that `StudentsView` has marked."""

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()
        environment.bytecode_cache = TEMPLATES
        return environment

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Export a notebook; returns the page and nbconvert's resources."""
        if self.filters.get("highlight_code") is not code:  # only once: it makes nbconvert load all templates again
            self.filters = {**self.filters, "highlight_code": code}
        return super().from_notebook_node(nb, resources, **kw)


def write_not_graded(folder: Path, notebook: str, why: str, submitted: Path) -> None:
    """Write a page for a student whose submission couldn't be graded into their ``folder`` of feedback.

    nbgrader's release_feedback needs two small files next to each page, and without them it stops for the whole class.
    They are copied from the ``submitted`` folder, or made up where they aren't ordinary files there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in RELEASE_FILES:
        text = _small_file(submitted / name)
        (folder / name).write_text(secrets.token_hex(16) if text is None else text, encoding="utf-8")
    page = PAGE.format(mark=NOT_GRADED, name=html.escape(notebook), why=html.escape(why[:1].upper() + why[1:]))
    (folder / f"{notebook}.html").write_text(page, encoding="utf-8")


def _small_file(file: Path) -> str | None:
    """Return the text of an ordinary small file, or None; nothing that leads elsewhere is followed, no folder either."""
    if os.path.realpath(file) != os.path.abspath(file):  # noqa: PTH100 -- the two ways to make a path absolute
        return None
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(opened.fileno())
            if wrong_kind(status) or not stat.S_ISREG(status.st_mode):
                return None
            return opened.read(RELEASE_FILE_LIMIT).decode("utf-8", "replace")
    except OSError:
        return None


def remove_not_graded(folder: Path) -> None:
    """Remove such pages: nbgrader makes no page where there is one already."""
    for file in folder.glob("*.html"):
        with file.open(encoding="utf-8", errors="replace") as page:
            is_ours = page.readline().strip() == NOT_GRADED
        if is_ours:
            file.unlink()
            if {left.name for left in folder.iterdir()} <= set(RELEASE_FILES):
                for name in RELEASE_FILES:
                    (folder / name).unlink(missing_ok=True)
                folder.rmdir()
