"""Starts the racer process, gives it orders and hands its events on."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import json
import sys
import threading
from typing import TYPE_CHECKING

from autograder.errors import UserFacingError
from autograder.managed_process import ManagedProcess
from autograder.paths import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from autograder.lab.server import Server


GRACE = 15.0  # s beyond the limit of a race
END_LIMIT = 3.0  # s
PROGRAM = PROGRAMS / "load_generator.py"


class LoadGeneratorGone(UserFacingError):
    """The process that sends the requests ended; a problem of this machine, never of the learner's app."""


class LoadGenerator:
    """The racer process of this process; one is enough, it runs one race at a time."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._subscribers: dict[int, Callable[[dict[str, Any] | None], None]] = {}
        self._lock = threading.Lock()
        self.process = ManagedProcess([sys.executable, "-I", PROGRAM])
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        """True while the process of the load generator runs."""
        return self.process.alive

    def order(self, **order: Any) -> None:
        """Send an order (see `programs/load_generator.py`).  Raises `LoadGeneratorGone` if the process has ended."""
        try:
            with self._lock:
                self.process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
                self.process.stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError) as error:
            raise LoadGeneratorGone("The process that sends the requests is gone. Run this again.") from error

    def guard(self, server: Server) -> None:
        """From now on the racer ends a `Server` with all that it started when we are gone, whatever ends us."""
        if server.guard is not self:
            self.order(op="guard", pid=server.process.pid)
            server.guard = self

    def forget(self, server: Server) -> None:
        """Forget a server that ends: its number may soon be another process's."""
        with contextlib.suppress(LoadGeneratorGone):
            self.order(op="unguard", pid=server.process.pid)

    async def events(self, **order: Any) -> AsyncIterator[dict[str, Any]]:
        """Run the race that ``order`` describes and yield its events as they come, ``end`` the last."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        number = next(self._ids)

        def subscriber(event: dict[str, Any] | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed under us
                loop.call_soon_threadsafe(arrived.put_nowait, event)

        self._subscribers[number] = subscriber
        ended = False
        try:
            self.order(op="race", id=number, **order)
            while not ended:
                event = await self._next(arrived, order["limit"])
                if event is None:
                    raise LoadGeneratorGone(
                        "The process that sends the requests ended in the middle of a race. Run this again."
                    )
                if event["event"] == "broken":
                    raise LoadGeneratorGone(f"The race could not be run: {event['problem']}")
                ended = event["event"] == "end"
                yield event
        finally:
            del self._subscribers[number]
            if not ended and self.alive:
                with contextlib.suppress(LoadGeneratorGone):
                    self.order(op="cancel")

    async def _next(self, arrived: asyncio.Queue[dict[str, Any] | None], limit: float) -> dict[str, Any] | None:
        """The next event; a racer that is silent for far longer than a race may last was stopped from outside."""
        try:
            async with asyncio.timeout(limit + GRACE):  # wait_for may swallow a cancellation on Python 3.11
                return await arrived.get()
        except TimeoutError:
            self.close()
            raise LoadGeneratorGone("The process that sends the requests no longer answers. Run this again.") from None

    def close(self) -> None:
        """End the process; it ends the servers that it guards first."""
        self.process.end(END_LIMIT)  # it has to end what it guards

    def _read(self) -> None:
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:  # type: ignore[union-attr]
                event = json.loads(line)
                subscriber = self._subscribers.get(event.get("race"))
                if subscriber:
                    subscriber(event)
        for subscriber in list(self._subscribers.values()):
            subscriber(None)


_racer: LoadGenerator | None = None


def load_generator() -> LoadGenerator:
    """The racer of this process, started on first use and again if it is gone."""
    global _racer
    if _racer is None or not _racer.alive:
        _racer = LoadGenerator()
    return _racer


@atexit.register
def _close() -> None:
    if _racer is not None:
        _racer.close()
