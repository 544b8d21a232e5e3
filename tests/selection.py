"""Which tests a run has: all of them, or a part of those that prove the same again."""

import functools
import hashlib
import math
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Some families of tests prove the same again with other content: each lesson's claims, each catalogued answer, each honest
# neighbour of an attack.  They'd take most of the time.  `./course test` runs a part of each family, another one with each
# commit; `./course test --all`, a file that is named, and plain pytest run them all.
HEAVY_ONE_IN = 8  # of the tests marked `heavy`, where a part of the families is run
ONE_IN = int(os.environ.get("COURSE_TEST_SHARE", "1"))


def chosen(items, label, one_in=ONE_IN, always=lambda item: False):
    """Those of a family's members that this run tests: all that are to be tested ``always``, and one in ``one_in`` others.

    ``label`` gives a member's name; the names and the commit decide.
    """
    seed = _git("rev-parse", "HEAD")
    rest = [item for item in items if not always(item)]
    rest.sort(key=lambda item: hashlib.sha256(f"{seed}{label(item)}".encode()).digest())
    part = {label(item) for item in rest[: math.ceil(len(rest) / one_in)]}
    return [item for item in items if always(item) or label(item) in part]


def heavy_left_out(items, one_in=HEAVY_ONE_IN if ONE_IN > 1 else 1):
    """Those of the tests marked ``heavy`` that this run leaves out: never one whose file has just been changed."""
    heavy = [item for item in items if item.get_closest_marker("heavy")]
    run = chosen(
        heavy, lambda item: item.nodeid, one_in, lambda item: item.path.relative_to(ROOT).as_posix() in changed()
    )
    return [item for item in heavy if not any(item is other for other in run)]


def changed():
    """The files that the newest commit or the working tree changed, relative to the clone; nothing where there is no git."""
    return set(_git("diff", "--name-only", "HEAD~1").splitlines())


@functools.cache
def _git(*words):
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout
    except OSError:
        return ""
