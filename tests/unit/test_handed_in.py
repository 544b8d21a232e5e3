"""Submissions with files that lead elsewhere are refused before anything in them is read."""

import os
import socket

import pytest

from autograder.classroom import handed_in, submission
from autograder.sandbox import temporary


@pytest.fixture
def folder(tmp_path):
    """A student's folder for a lesson, with a notebook in it; another student's file is at ``other.ipynb``."""
    place = tmp_path / "submitted" / "mallory" / "05_files"
    place.mkdir(parents=True)
    (place / "exercise.ipynb").write_text("{}")
    (tmp_path / "other.ipynb").write_text('{"cells": []}')
    return place


def symlink(folder):
    (folder / "x.ipynb").symlink_to(folder.parents[2] / "other.ipynb")


def symlink_to_nothing(folder):
    (folder / "x.ipynb").symlink_to("/nowhere")


def symlink_below(folder):
    (folder / "data").mkdir()
    (folder / "data" / "x").symlink_to("/")


def symlinked_folder(folder):
    (folder / "data").symlink_to("/etc")


def hard_link(folder):
    os.link(folder.parents[2] / "other.ipynb", folder / "x.ipynb")


def named_pipe(folder):
    os.mkfifo(folder / "x.ipynb")


def unix_socket(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("x")
    finally:
        os.chdir(before)


def device(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(folder / "x.ipynb", 0o20666, os.makedev(1, 5))


def line_break(folder):
    (folder / "x\nGraded: 9 of 9").write_text("")


def terminal_code(folder):
    (folder / "x\x1b[2J").write_text("")


def too_many(folder):
    for number in range(handed_in.ENTRIES_LIMIT + 1):
        (folder / str(number)).touch()


def too_large(folder):
    with open(folder / "x", "wb") as file:
        file.truncate(handed_in.SIZE_LIMIT + 1)


def many_notebooks(folder):
    for number in range(handed_in.NOTEBOOKS_LIMIT):
        (folder / f"{number}.ipynb").touch()


def large_notebooks(folder):
    for number in range(3):
        with open(folder / f"{number}.ipynb", "wb") as file:
            file.truncate(90 << 20)


ATTACKS = [
    symlink, symlink_to_nothing, symlink_below, symlinked_folder, hard_link, named_pipe, unix_socket, device, line_break,
    terminal_code, too_many, too_large, many_notebooks, large_notebooks,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_leads_elsewhere_is_refused(folder, attack):
    assert handed_in.problem(folder) == ""
    attack(folder)
    said = handed_in.problem(folder)
    assert said.startswith("Not graded: ") and said.isprintable()


@pytest.mark.parametrize("name", ['"><script>', "x" * 250, "\u00e9" * 120])
def test_name_of_student_is_refused(folder, name):
    """formgrader writes a student's name into its pages as it is, and a log that is called after a long one can't be opened."""
    place = folder.parent.rename(folder.parents[1] / name)
    assert len(handed_in.problem(place / folder.name)) < 300


@pytest.mark.parametrize("depth", [0, 1])
def test_linked_folder_is_refused(folder, tmp_path, depth):
    """A submission's folder that is a symbolic link is refused."""
    place = [folder, folder.parent][depth]
    moved = tmp_path / "alice"
    place.rename(moved)
    place.symlink_to(moved)
    assert "symbolic link" in handed_in.problem(folder)


@pytest.mark.parametrize(
    "attack, says",
    [(symlink, "symbolic link"), (hard_link, "hard link"), (named_pipe, "named pipe"), (device, "device")],
)
def test_reading_follows_nothing(folder, attack, says):
    """Reading doesn't follow links, even if the folder wasn't checked before, or has changed since the check."""
    attack(folder)
    with pytest.raises(submission.UnreadableSubmission, match=says):
        submission.read(folder / "x.ipynb")


def test_zip_archive_is_reported(folder):
    (folder / "x.ipynb").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(submission.UnreadableSubmission, match="zip archive"):
        submission.read(folder / "x.ipynb")


def test_deep_folders_are_refused(folder, monkeypatch):
    """With more folders inside each other than Python's functions can call themselves, `class grade` and `class watch` ended with
    an exception, for the whole class."""
    monkeypatch.chdir(folder)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    try:
        assert "folders inside each other" in handed_in.problem(folder)
    finally:
        temporary._flatten(str(folder))  # pytest couldn't remove them
