"""Choose the tests of a run: all, or only a part of each family of similar tests."""

import functools
import hashlib
import math
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Families of tests check the same code with different content: each lesson's claims, each catalogued answer, each correct
# neighbour of an attack. They take most of the time. `./course test` runs a part of each family, a different one for each
# commit. `./course test --all`, a run of named files, and plain pytest run them all.
HEAVY_ONE_IN = 16  # one in this many of the tests marked `heavy` is run, if only a part of each family is
ONE_IN = int(os.environ.get("COURSE_TEST_SHARE", "1"))


def chosen(items, label, one_in=ONE_IN, always=lambda item: False):
    """Return the members of a family that this run tests: all for which ``always`` is true, and one in ``one_in`` others.

    ``label`` returns a member's name. The choice depends only on the names and on the newest commit.
    """
    seed = _git("rev-parse", "HEAD")
    rest = [item for item in items if not always(item)]
    rest.sort(key=lambda item: hashlib.sha256(f"{seed}{label(item)}".encode()).digest())
    part = {label(item) for item in rest[: math.ceil(len(rest) / one_in)]}
    return [item for item in items if always(item) or label(item) in part]


def heavy_left_out(items, one_in=HEAVY_ONE_IN if ONE_IN > 1 else 1):
    """Return the tests marked ``heavy`` that this run leaves out. Tests in files that the newest commit changed are run."""
    heavy = [item for item in items if item.get_closest_marker("heavy")]
    run = chosen(
        heavy, lambda item: item.nodeid, one_in, lambda item: item.path.relative_to(ROOT).as_posix() in changed()
    )
    return [item for item in heavy if not any(item is other for other in run)]


def changed():
    """Return the files that the newest commit or the working tree changed, relative to the clone. Empty without git."""
    return set(_git("diff", "--name-only", "HEAD~1").splitlines())


@functools.cache
def _git(*words):
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout
    except OSError:
        return ""
