"""Reads a submitted notebook as data: which lesson it belongs to, and the learner's files in it.

Nothing in it is run, imported or trusted. Anything that is missing, duplicated, renamed or broken results in a sentence for
the learner, never in an exception for the teacher.
"""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.classroom.handed_in import wrong_kind
from autograder.errors import UserFacingError
from autograder.judge.verdict import Outcome
from autograder.lab.magics import as_file

SIZE_LIMIT = 50 << 20  # bytes of a notebook file: outputs of 20 MB occur, more than this is an attack
PARTS_LIMIT = 300_000  # objects and lists in it: each costs memory, however small it is in the file
VALUES_LIMIT = 2_000_000  # commas in it, each of which may separate two values
SOURCE_LIMIT = 200_000  # characters of one cell
NAME_LIMIT = 100  # characters of the names that a notebook gives itself: they are shown to people
ZIP = b"PK\x03\x04"
MAGIC = re.compile(r"^\s*%%(?:app|keep)\s+(\S+)[ \t]*(?:\n|$)")


class UnreadableSubmission(UserFacingError):
    """The file as a whole can't be graded; the message tells the learner why."""

    outcome = Outcome.FAIL  # of each of its items


@dataclass
class Submission:
    """One notebook file. ``cells`` has (grade_id or None, source) of its code cells, in order.

    ``variant`` is the tag of the exercise's variant that the notebook says it is.
    """

    path: Path
    lesson: str | None
    kind: str | None
    cells: list[tuple[str | None, str]] = field(default_factory=list)
    variant: str | None = None

    def sources(self, endpoint: Any) -> list[str]:
        """Return the cells that hold the endpoint's file; the last one counts."""
        by_id = [source for grade_id, source in self.cells if grade_id == endpoint.cell]
        return by_id or [source for _, source in self.cells if _named(source) == endpoint.file]

    def app(self, endpoint: Any) -> tuple[str | None, str]:
        """Return (text of the endpoint's file, remark); the text is None if no cell contains it.

        The cell is found by its grade_id or, if that was lost, by its first line ``%%app report.py``. The last of several
        counts, as when the notebook is run from top to bottom.
        """
        found = self.sources(endpoint)
        if not found:
            return None, (
                f"no cell for {endpoint.file} was found. It begins with the line {endpoint.magic} {endpoint.file}: "
                "put it back, or start from a fresh copy of the notebook."
            )
        source = found[-1]
        if len(source) > SOURCE_LIMIT:
            return (
                None,
                f"the cell for {endpoint.file} holds {len(source):,} characters; the limit is {SOURCE_LIMIT:,}.",
            )
        remark = f" ({len(found)} cells claim to be {endpoint.file}; the last one counts.)" if len(found) > 1 else ""
        match = MAGIC.match(source)
        if not match and re.search(r"^[ \t]*%%(?:app|keep)\b", source, re.MULTILINE):
            return None, f"the first line of its cell must be {endpoint.magic} {endpoint.file}, with nothing above it."
        # without its magic the whole cell is the file
        return as_file(endpoint.file, source[match.end() :] if match else source, endpoint.magic), remark


def read(path: Path | str) -> Submission:
    """Read a notebook file and return a `Submission`. Raises `UnreadableSubmission`."""
    path = Path(path)
    try:
        with open(path, "rb", opener=_without_following) as file:
            if why := wrong_kind(os.fstat(file.fileno())):
                raise UnreadableSubmission(f"it {why}.")
            text = file.read(SIZE_LIMIT + 1)
        if text.startswith(ZIP):
            raise UnreadableSubmission("the file is a zip archive. Unpack it and hand in the notebook in it.")
        if len(text) > SIZE_LIMIT:
            raise UnreadableSubmission(
                f"the file is larger than {SIZE_LIMIT >> 20} MB. Clear its outputs and hand it in again."
            )
        if not text.strip():
            raise UnreadableSubmission("the file is empty. Save the notebook in JupyterLab and hand it in again.")
        if text.count(b"{") + text.count(b"[") > PARTS_LIMIT or text.count(b",") > VALUES_LIMIT:
            raise UnreadableSubmission(
                "the file has too many parts for a notebook. Clear its outputs and hand it in again."
            )
        data = json.loads(text)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnreadableSubmission("it is a symbolic link: hand in the file itself.") from None
        raise UnreadableSubmission(f"the file cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise UnreadableSubmission(
            "the file is not a notebook: its contents are not JSON. Download it again as .ipynb."
        ) from None
    cells = data.get("cells") if isinstance(data, dict) else None
    if not isinstance(cells, list):
        raise UnreadableSubmission(
            "the file is JSON, but not a notebook (it has no list of cells). Download it again as .ipynb."
        )
    course = _dictionary(_dictionary(data.get("metadata")).get("course"))
    names = {key: _name(course.get(key)) for key in ("lesson", "kind", "variant")}
    return Submission(path, cells=[c for c in map(_cell, cells) if c], **names)


def _without_following(path: str, flags: int) -> int:
    """Open a file without following links, and without waiting for the other end of a named pipe."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _cell(cell: Any) -> tuple[str | None, str] | None:
    cell = _dictionary(cell)
    if cell.get("cell_type") != "code":
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return None
    grade_id = _dictionary(_dictionary(cell.get("metadata")).get("nbgrader")).get("grade_id")
    return _text(grade_id), source


def _named(source: str) -> str | None:
    match = MAGIC.match(source)
    return match.group(1) if match else None


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _name(value: Any) -> str | None:
    """Return a text that may be printed: short, and without control characters or lone surrogates."""
    if not isinstance(value, str):
        return None
    return "".join(c if c.isprintable() else "\ufffd" for c in value[:NAME_LIMIT])
