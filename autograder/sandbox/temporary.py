"""Temporary folders in which an app can create files, at the levels of isolation that give it no folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """Yield the path of a new folder, and remove it afterwards. Nothing that an app can leave there makes that raise."""
    made = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    try:
        yield made.name
    finally:
        remove(made)


def remove(made: tempfile.TemporaryDirectory[str]) -> None:
    """Remove a temporary folder, however deep the folders in it are."""
    try:
        made.cleanup()
    except RecursionError:  # before Python 3.13, `shutil.rmtree` calls itself for each folder inside another
        with contextlib.suppress(OSError):
            _flatten(made.name)
        with contextlib.suppress(RecursionError):
            shutil.rmtree(made.name, ignore_errors=True)


def _flatten(folder: str) -> None:
    """Move everything that is deep inside a folder to the folder itself, by descriptors, so that no link is followed."""
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    moved = 0
    try:
        waiting = os.listdir(top)
        while waiting:
            name = waiting.pop()
            if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
                continue
            number = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for inner in os.listdir(number):
                    moved += 1
                    os.rename(inner, f"moved {moved}", src_dir_fd=number, dst_dir_fd=top)
                    waiting.append(f"moved {moved}")
            finally:
                os.close(number)
    finally:
        os.close(top)
