"""Course folders for tests of classes."""

import subprocess
from types import SimpleNamespace

import pytest
from class_folder import LESSON

from autograder.benchmarks import class_grading
from autograder.classroom import grade_class, worker_pool


@pytest.fixture
def environment_as_before(monkeypatch):
    """nbgrader says in a variable of the process that it is grading, and leaves it there when a step fails."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A course folder without submissions."""
    return class_grading.make_class(tmp_path_factory.mktemp("class") / "tea101", LESSON, 0)


@pytest.fixture
def course(empty, tmp_path, environment_as_before):
    """A copy of it."""
    folder = tmp_path / "tea101"
    subprocess.run(["cp", "-r", str(empty), str(folder)], check=True)
    return folder


@pytest.fixture
def canned(monkeypatch):
    """Runs over a class in which ``say(job)`` gives the results; ``judged`` are the files that it was asked about."""
    told = SimpleNamespace(judged=[], say=lambda job: worker_pool.undecided(job, "its workers ended."))

    class Pool:
        def __init__(self, *_, **__):
            pass

        async def run(self, jobs, done):
            for job in jobs:
                told.judged.append(job.file)
                done(job, told.say(job))

    monkeypatch.setattr(grade_class, "LocalPool", Pool)
    return told
