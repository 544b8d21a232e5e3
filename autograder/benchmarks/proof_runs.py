"""``./course bench proofs``: how often the pytest plugin's proofs are wrong beside CPU-bound processes.

The apps are exercise 12's hidden ones, of which it's known whether they block. Each correct app is proved again and again, in turn
with ``overlaps`` and ``stays_free``, and every failure is a false alarm. Each blocking app is served anew for each proof, and every
proof that passes is a miss.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import paths
from autograder.benchmarks.cpu_load import hogs
from autograder.benchmarks.monitors import HIDDEN

if TYPE_CHECKING:
    from freeloop.pytest_plugin import FreeLoop, TestedService
    from freeloop.testing import Reply, Request, Upstream

TOKENS = ("a", "bb", "ccc", "dddd")
PROOFS_AT_A_TIME = 25  # of a correct app, before it's served anew


def apps(kind: str) -> list[Path]:
    """Return the hidden apps of exercise 12 that are ``"honest"`` or ``"blocking"``."""
    return sorted((HIDDEN / kind).glob("*.py"))


def serve(free_loop: FreeLoop, file: Path, folder: Path) -> tuple[TestedService, Upstream]:
    """Serve a copy of an app in ``folder``, with an upstream that holds its replies."""
    (folder / "quotes.py").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    upstream = free_loop.upstream(returns=lambda path: {"item": path.split("/")[-1], "price": len(path.split("/")[-1])})
    return free_loop.serve("quotes:app", env={"UPSTREAM_URL": upstream.url}, folder=folder), upstream


def overlap(service: TestedService, upstream: Upstream) -> list[Reply]:
    """Prove that four requests overlap at the upstream, and that each gets its own price. Raise `AssertionError` otherwise."""

    def check(request: Request, reply: Reply) -> None:
        token = request.path.rpartition("/")[2]
        assert reply.json() == {"item": token, "price": len(token)}

    return service.overlaps([f"/quotes/{token}" for token in TOKENS], upstream, check=check)


def main(runs: int, with_hogs: int, misses_of: int) -> int:
    """Run ``runs`` proofs of correct apps and ``misses_of`` of each blocking one, print what was wrong, and return an exit code."""
    sys.path.append(str(paths.TAKEHOME))
    with hogs(with_hogs):
        alarms = collections.Counter(_false_alarms(runs))
        missed = collections.Counter(_misses(misses_of))
    blocking = misses_of * len(apps("blocking"))
    print(f"beside {with_hogs} CPU-bound processes:")
    print(f"  {alarms.total()} false alarms in {runs} proofs of {len(apps('honest'))} correct apps")
    print(
        f"  {missed.total()} misses in {blocking} proofs of {len(apps('blocking'))} apps that block or wait for each other"
    )
    for text, count in [*alarms.most_common(), *missed.most_common()]:
        print(f"  {count} × {text}")
    return 1 if alarms or missed else 0


def _false_alarms(runs: int) -> Iterator[str]:
    """Yield what each failing proof of a correct app said."""
    done = 0
    for file in itertools.cycle(apps("honest")):
        if done >= runs:
            return
        print(f"{done} of {runs} proofs, now {file.stem}", file=sys.stderr, flush=True)
        with _plugin() as (free_loop, folder):
            service, upstream = serve(free_loop, file, folder)
            for number in range(min(PROOFS_AT_A_TIME, runs - done)):
                done += 1
                try:
                    if number % 2:
                        upstream.open()
                        service.stays_free([f"/quotes/{token}" for token in TOKENS])
                    else:
                        overlap(service, upstream)
                except AssertionError as error:
                    yield f"{file.stem}: {error}"


def _misses(rounds: int) -> Iterator[str]:
    """Yield the name of a blocking app for each of its proofs that passes."""
    for file in apps("blocking") * rounds:
        with _plugin() as (free_loop, folder):
            service, upstream = serve(free_loop, file, folder)
            try:
                overlap(service, upstream)
            except AssertionError:
                continue
            yield file.stem


@contextlib.contextmanager
def _plugin() -> Iterator[tuple[FreeLoop, Path]]:
    """Yield the plugin's fixture with its default limits, and a new folder."""
    from freeloop.pytest_plugin import FreeLoop
    from freeloop.testing.proofs import BUDGET_S, PATIENCE_S

    with tempfile.TemporaryDirectory(prefix="course-proofs-") as folder:
        free_loop = FreeLoop(Path(folder), BUDGET_S, PATIENCE_S)
        try:
            yield free_loop, Path(folder)
        finally:
            free_loop.close()
