"""Checks a submitted folder before anything in it is read or copied.

A link in it would be followed by whatever reads it: another student's notebook would be graded for this one, and a link to
``gradebook.db`` copied to where feedback comes from. Nothing but ordinary files and folders is let through.
"""

import os
import stat
from pathlib import Path

ENTRIES_LIMIT = 5000  # files and folders of one submission
DEPTH_LIMIT = 50  # folders inside each other: `os.walk` and others call themselves for each, up to Python's limit
SIZE_LIMIT = 1 << 30  # bytes of all its files
NOTEBOOKS_LIMIT = 20  # next to the expected one: each is read
NOTEBOOKS_SIZE_LIMIT = 200 << 20  # bytes of all of them
NAME_LIMIT = 200  # bytes of a student's name: files of ours are called after it, and 255 is the system's limit
MARKUP = frozenset('<>"')  # a student's name is written into pages, by nbgrader's formgrader as it is


def problem(folder: Path) -> str:
    """Return what is wrong with a submission, as a sentence for the teacher, or "".

    ``folder`` is a student's folder for one lesson; its parent is the student's own.
    """
    for place in (folder.parent, folder):
        if why := wrong_name(place.name):
            return f"Not graded: the folder {place.name!r} {why}."
        if place.is_symlink():
            return f"Not graded: the folder {place.name} is a symbolic link to another place."
    entries = size = 0
    if len(os.fsencode(folder.parent.name)) > NAME_LIMIT:
        return f"Not graded: the folder {folder.parent.name[:20]}... has a name of more than {NAME_LIMIT} bytes."
    if MARKUP & set(folder.parent.name):
        return f"Not graded: the folder {folder.parent.name} has a name with one of the characters < > and a quotation mark."
    notebooks = [file.lstat().st_size for file in folder.glob("*.ipynb")]
    if len(notebooks) > NOTEBOOKS_LIMIT or sum(notebooks) > NOTEBOOKS_SIZE_LIMIT:
        return (
            f"Not graded: it has {len(notebooks)} notebooks of {sum(notebooks) >> 20} MB in all. The limits are "
            f"{NOTEBOOKS_LIMIT} and {NOTEBOOKS_SIZE_LIMIT >> 20} MB."
        )
    for within, folders, files in os.walk(folder):
        if len(Path(within).parts) - len(folder.parts) > DEPTH_LIMIT:
            return f"Not graded: it has more than {DEPTH_LIMIT} folders inside each other."
        for name in (*folders, *files):
            path = Path(within) / name
            shown = ascii(str(path.relative_to(folder)))
            status = path.lstat()
            entries, size = entries + 1, size + status.st_size
            if why := wrong_name(name) or wrong_kind(status):
                return f"Not graded: {shown} {why}."
            if entries > ENTRIES_LIMIT:
                return f"Not graded: it has more than {ENTRIES_LIMIT:,} files and folders."
            if size > SIZE_LIMIT:
                return f"Not graded: its files have more than {SIZE_LIMIT >> 30} GB."
    return ""


def wrong_name(name: str) -> str:
    """Return why a name is refused, as the end of a sentence, or ""."""
    return "" if name.isprintable() else "has a name with a line break or another control character"


def wrong_kind(status: os.stat_result) -> str:
    """Return why a file of this kind is refused, as the end of a sentence, or ""."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return ""
    if stat.S_ISLNK(mode):
        return "is a symbolic link: hand in the file itself"
    if not stat.S_ISREG(mode):
        return "is not a file (a named pipe, a socket or a device)"
    if status.st_nlink > 1:
        return "is a hard link: the same file has another name elsewhere. Hand in a copy"
    return ""
