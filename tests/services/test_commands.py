"""The command of lesson 06 runs wherever the clone and the temporary folder lie."""

import os
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest
from helpers import until

from autograder.services import commands

pytestmark = pytest.mark.posix


@pytest.mark.parametrize("place", ["plain", "with a space & more, äöü 'quoted'", "long-" * 30])
def test_command_runs_wherever_python_lies(tmp_path, monkeypatch, place):
    """The first line of a script names its program without spaces, and in few bytes."""
    folder = tmp_path / place
    folder.mkdir()
    python = folder / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    service = commands.Commands()
    try:
        service.hold()
        process = subprocess.Popen([service.command, "a token"], stdout=subprocess.PIPE, text=True)
        until(lambda: service.held() or process.poll() is not None)
        assert process.poll() is None, "it ended at once"
        service.release()
        assert process.communicate()[0] and process.returncode == 0
    finally:
        service.stop()


def test_command_folder_allows_execution(tmp_path, monkeypatch):
    """The slow command is placed in a folder from which programs may be started."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert commands.executable_folder() == str(tmp_path)
    monkeypatch.setattr(os, "ST_NOEXEC", 8, raising=False)
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(f_flag=8 if folder == str(tmp_path) else 0))
    assert commands.executable_folder() != str(tmp_path)
