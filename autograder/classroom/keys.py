"""What a verdict rests on, as hashes: the same key means that judging again would say the same."""

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

from .. import paths
from ..judge.exercise import load
from . import submission as reading

GRADER = ("host", "jail", "judge", "lab", "services", "classroom/grade.py", "classroom/submission.py")


def of_submission(file, lesson, isolation):
    """The key of one submitted notebook: what is judged in it, what judges it, and how it is locked in.

    Text around the graded cells, outputs and metadata are not in it: they have no part in the verdict.
    """
    told = [lesson, isolation, of_exercise(lesson), of_grader(), of_environment()]
    try:
        submission = reading.read(file)
        told += [repr(submission.app(task)) for task in _tasks(lesson)]
    except reading.Broken as broken:
        told += ["broken", str(broken)]
    return _digest(*told)


@cache
def _tasks(lesson):
    return load(paths.SOLUTIONS / lesson).tasks


@cache
def of_exercise(lesson):
    """The exercise, with its catalogue and all that lies beside it."""
    return _of_files(paths.SOLUTIONS / lesson)


@cache
def of_grader():
    """The code that judges."""
    return _digest(*(_of_files(paths.ROOT / "autograder" / name) for name in GRADER))


@cache
def of_environment():
    """Python and the packages that it has."""
    packages = sorted({f"{d.metadata['Name']} {d.version}" for d in metadata.distributions()})
    return _digest(platform.python_version(), platform.machine(), *packages)


def _of_files(path):
    files = [path] if path.is_file() else sorted(f for f in Path(path).rglob("*") if f.is_file())
    kept = [file for file in files if "__pycache__" not in file.parts]
    return _digest(*(part for file in kept for part in (file.name, file.read_bytes())))


def _digest(*parts):
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode(errors="surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def of_file(file):
    """The key of a file of which all counts."""
    return _of_files(Path(file))
