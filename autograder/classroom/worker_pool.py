"""Worker processes on this machine, and their jobs. A worker that dies costs one try of one job."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import paths
from autograder.errors import UserFacingError
from autograder.judge.verdict import Outcome
from autograder.programs.messages import decode, encode
from autograder.programs.messages.grading import (
    WORKER_NEWS,
    GradeSubmission,
    SubmissionGraded,
    WorkerNews,
    WorkerReady,
    WorkerRefused,
)

TRIES = 3  # workers that may die with the same job before it needs a person
JOB_LIMIT = 1800.0  # s
LINE_LIMIT = 1 << 24  # bytes of one result


@dataclass
class Job:
    """One submission: ``file`` for ``lesson``, of which the student has a ``variant``, or None.

    ``id`` identifies it; ``tries`` is how many workers died with it.
    """

    id: str
    file: str
    lesson: str
    variant: dict[str, Any] | None = None
    tries: int = field(default=0, compare=False)


class JobRefused(UserFacingError):
    """No worker can provide the requested isolation."""


def default_workers() -> int:
    """Return the default number of workers: several per CPU, because judging mostly waits."""
    return 3 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class LocalPool:
    """Runs jobs on worker processes on this machine. ``on_isolation`` is called with the description of their isolation.

    With ``probed``, ``isolation`` is a level that this process has probed, and the workers don't probe it again.
    """

    def __init__(
        self,
        workers: int,
        isolation: str,
        log: Path | str,
        on_isolation: Callable[[str], None] = lambda sentence: None,
        probed: bool = False,
    ) -> None:
        self.workers = workers
        self.isolation = isolation
        self.log = Path(log)
        self.on_isolation = on_isolation
        self.probed = probed

    async def run(self, jobs: list[Job], done: Callable[[Job, dict[str, Any]], None]) -> None:
        """Grade all jobs; ``done(job, result)`` is called for each, in the order in which they end."""
        waiting = deque(jobs)
        tasks = [asyncio.create_task(self._slot(waiting, done)) for _ in range(min(self.workers, len(waiting)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _slot(self, waiting: deque[Job], done: Callable[[Job, dict[str, Any]], None]) -> None:
        """Run one worker after the other, as long as there are jobs."""
        worker = None
        try:
            while waiting:
                job = waiting.popleft()
                if worker is None:
                    worker = await self._started()
                    self.on_isolation(worker.sentence)
                result = await worker.grade(job)
                if result is not None:
                    done(job, result)
                    continue
                await worker.end()
                late, worker = worker.late, None
                job.tries += 1
                if late:  # a second attempt would take as long again
                    done(job, undecided(job, f"Grading it took more than {JOB_LIMIT / 60:.0f} minutes."))
                elif job.tries < TRIES:
                    waiting.append(job)
                else:
                    done(job, undecided(job, f"{TRIES} workers ended while they graded it."))
        finally:
            if worker is not None:
                await worker.end()

    async def _started(self) -> Worker:
        """Return a worker that is ready, after several attempts if it dies before."""
        for _ in range(TRIES):
            worker = await Worker.start(self.isolation, self.log, self.probed)
            if worker is not None:
                return worker
        raise JobRefused(f"{TRIES} workers did not start; their last words are in {self.log}.")


class Worker:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.sentence = ""
        self.late = False  # True if it didn't answer in time

    @classmethod
    async def start(cls, isolation: str, log: Path, probed: bool = False) -> Worker | None:
        """Start a worker; return it when it's ready, or None if it died before. Raises `JobRefused`."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "autograder.classroom.worker", isolation, *["probed"][: probed],
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors, limit=LINE_LIMIT,
                cwd=paths.ROOT, start_new_session=True, env={**os.environ, "PYTHONPATH": str(paths.ROOT)},
            )  # fmt: skip
        worker = cls(process)
        hello = await worker._line()
        if isinstance(hello, WorkerReady):
            worker.sentence = hello.sentence
            return worker
        await worker.end()
        if isinstance(hello, WorkerRefused):
            raise JobRefused(hello.why)
        return None

    async def grade(self, job: Job) -> dict[str, Any] | None:
        """Return the result as a dictionary, or None if the worker has died."""
        order = encode(GradeSubmission(job.id, job.file, job.lesson, job.variant)).encode() + b"\n"
        assert self.process.stdin is not None  # it's a pipe
        with contextlib.suppress(OSError):
            self.process.stdin.write(order)
            await self.process.stdin.drain()
            news = await self._line()
            if isinstance(news, SubmissionGraded) and news.id == job.id:
                return news.result.to_wire()
        return None

    async def _line(self) -> WorkerNews | None:
        assert self.process.stdout is not None  # it's a pipe
        with contextlib.suppress(ValueError):  # too long, or not a message
            try:
                async with asyncio.timeout(JOB_LIMIT):
                    line = await self.process.stdout.readline()
            except TimeoutError:
                self.late = True
                return None
            return decode(line, *WORKER_NEWS) if line else None
        return None

    async def end(self) -> None:
        """End the worker, or kill it; what it started ends with it."""
        if self.process.stdin:
            self.process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.process.wait()
            return
        with contextlib.suppress(OSError):
            self.process.kill()
        await self.process.wait()


def undecided(job: Job, why: str) -> dict[str, Any]:
    """Return a result without a verdict, which needs a person."""
    item = {
        "id": "submission",
        "points": 0,
        "max_points": 0,
        "outcome": Outcome.ERROR,
        "diagnosis": f"No verdict: {why}",
    }
    return {
        "path": job.file, "lesson": job.lesson, "isolation": "", "points": 0, "max_points": 0, "seconds": 0.0,
        "items": [item],
    }  # fmt: skip
