"""Grading on several machines: batches of submissions as tasks of Dask distributed.

A task contains the files themselves. On its machine, it starts the course's worker processes (and with them the services),
and returns the results. If a Dask worker dies, Dask gives its batch to another one.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.classroom.worker_pool import Job, JobRefused, LocalPool, undecided

BATCH = 8  # submissions per task: enough to justify starting the services once


class ClusterPool:
    """Runs jobs on the workers of a Dask scheduler; the same interface as `worker_pool.LocalPool`."""

    def __init__(self, address: str, isolation: str, log: Path | str, batch: int = BATCH) -> None:
        self.address = address
        self.isolation = isolation
        self.log = Path(log)
        self.batch = batch

    async def run(self, jobs: list[Job], done: Callable[[Job, dict[str, Any]], None]) -> None:
        """Grade all jobs; ``done(job, result)`` is called for each."""
        from distributed import Client, as_completed

        try:
            client = await Client(self.address, asynchronous=True, set_as_default=False)
        except (OSError, TimeoutError) as problem:
            raise JobRefused(f"There is no Dask scheduler at {self.address} ({problem}).") from None
        async with client:
            futures = {}
            for start in range(0, len(jobs), self.batch):
                part = jobs[start : start + self.batch]
                orders = [(job.id, job.lesson, job.variant, Path(job.file).name, packed(job.file)) for job in part]
                future = client.submit(grade_batch, orders, self.isolation, pure=False, retries=2)
                futures[future] = part
            async for future in as_completed(list(futures), loop=client.loop):
                part = futures.pop(future)
                try:
                    results, refused = await future
                except Exception as problem:  # a lost worker or another machine can raise anything
                    results, refused = {}, None
                    why = f"no worker of the cluster could grade it ({type(problem).__name__}: {problem})"
                else:
                    why = "a worker of the cluster did not give it back"
                if refused:
                    raise JobRefused(refused)
                for job in part:
                    result = results.get(job.id)
                    done(job, {**result, "path": job.file} if result else undecided(job, why))


def packed(file: Path | str) -> str:
    """Return a file's bytes as text."""
    return base64.b64encode(Path(file).read_bytes()).decode()


def grade_batch(
    orders: list[tuple[str, str, dict[str, Any] | None, str, str]], isolation: str
) -> tuple[dict[str, dict[str, Any]], str | None]:
    """Grade a batch on a worker of the cluster; return ({job's id: result}, why nothing was graded or None)."""
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="course-batch-", ignore_cleanup_errors=True) as folder:
        jobs = []
        for number, (name, lesson, variant, file_name, data) in enumerate(orders):
            file = Path(folder) / str(number) / file_name
            file.parent.mkdir()
            file.write_bytes(base64.b64decode(data))
            jobs.append(Job(name, str(file), lesson, variant))
        pool = LocalPool(2, isolation, Path(folder) / "workers.log")
        try:
            # a task runs in one of Dask's threads, which has no event loop
            asyncio.run(pool.run(jobs, lambda job, result: results.__setitem__(job.id, result)))
        except JobRefused as refused:
            return {}, str(refused)
    return results, None
