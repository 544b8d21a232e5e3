"""Starts the load generator's process, sends it orders and passes its events on."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import sys
import threading
from typing import TYPE_CHECKING

from autograder.errors import UserFacingError
from autograder.managed_process import ManagedProcess
from autograder.paths import PROGRAMS
from autograder.programs.messages import MessageError, decode, encode
from autograder.programs.messages.races import (
    RACE_EVENTS,
    Cancel,
    Guard,
    RaceBroken,
    RaceEnded,
    RaceEvent,
    RaceOrder,
    StartRace,
    Unguard,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from autograder.lab.server import Server


GRACE = 15.0  # s beyond the limit of a race
END_LIMIT = 3.0  # s
PROGRAM = PROGRAMS / "load_generator.py"


class LoadGeneratorGone(UserFacingError):
    """The load generator has ended. That is a problem of this machine, never of the learner's app."""


class LoadGenerator:
    """This process's load generator. It runs one race at a time."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._subscribers: dict[int, Callable[[RaceEvent | None], None]] = {}
        self._lock = threading.Lock()
        self.process = ManagedProcess([sys.executable, "-I", PROGRAM])
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        """True while the load generator's process runs."""
        return self.process.alive

    def order(self, order: RaceOrder) -> None:
        """Send an order. Raises `LoadGeneratorGone` if the process has ended."""
        try:
            with self._lock:
                self.process.send_line(encode(order))
        except (OSError, ValueError) as error:
            raise LoadGeneratorGone("The process that sends the requests has ended. Run this again.") from error

    def guard(self, server: Server) -> None:
        """Have the load generator kill a `Server` and all that it started if this process ends, however it ends."""
        if server.guard is not self:
            self.order(Guard(server.process.pid))
            server.guard = self

    def forget(self, server: Server) -> None:
        """Stop guarding a server that is ending, because its process id may soon be reused."""
        with contextlib.suppress(LoadGeneratorGone):
            self.order(Unguard(server.process.pid))

    def next_race(self) -> int:
        """Return a number for a race that no other race has."""
        return next(self._ids)

    async def events(self, order: StartRace) -> AsyncIterator[RaceEvent]:
        """Run the race that ``order`` describes and yield its events as they come, the last of which is `RaceEnded`."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[RaceEvent | None] = asyncio.Queue()

        def subscriber(event: RaceEvent | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(arrived.put_nowait, event)

        self._subscribers[order.race] = subscriber
        ended = False
        try:
            self.order(order)
            while not ended:
                event = await self._next(arrived, order.limit)
                if event is None:
                    raise LoadGeneratorGone(
                        "The process that sends the requests ended in the middle of a race. Run this again."
                    )
                if isinstance(event, RaceBroken):
                    raise LoadGeneratorGone(f"The race could not be run: {event.problem}")
                ended = isinstance(event, RaceEnded)
                yield event
        finally:
            del self._subscribers[order.race]
            if not ended and self.alive:
                with contextlib.suppress(LoadGeneratorGone):
                    self.order(Cancel())

    async def _next(self, arrived: asyncio.Queue[RaceEvent | None], limit: float) -> RaceEvent | None:
        """Return the next event. A load generator that is silent for far longer than ``limit`` was stopped from outside."""
        try:
            async with asyncio.timeout(limit + GRACE):  # wait_for may swallow a cancellation on Python 3.11
                return await arrived.get()
        except TimeoutError:
            self.close()
            raise LoadGeneratorGone("The process that sends the requests no longer answers. Run this again.") from None

    def close(self) -> None:
        """End the process, which first kills the servers that it guards."""
        self.process.end(END_LIMIT)  # it has to kill what it guards

    def _read(self) -> None:
        with contextlib.suppress(MessageError, ValueError):  # the pipe was closed, or the output is invalid
            for line in self.process.lines():
                event: RaceEvent = decode(line, *RACE_EVENTS)
                if subscriber := self._subscribers.get(event.race):
                    subscriber(event)
        for subscriber in list(self._subscribers.values()):
            subscriber(None)


_generator: LoadGenerator | None = None


def load_generator() -> LoadGenerator:
    """Return this process's load generator, which is started on first use and again if it has ended."""
    global _generator
    if _generator is None or not _generator.alive:
        _generator = LoadGenerator()
    return _generator


@atexit.register
def _close() -> None:
    if _generator is not None:
        _generator.close()
