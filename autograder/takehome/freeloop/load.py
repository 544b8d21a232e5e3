"""Send the load of an audit: to one endpoint after the other, as an open loop, with canaries all the time.

*Open loop* means that each request is sent at its scheduled time, even if earlier ones have no response yet. So a service
that blocks gets as little relief as it would from real users.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from freeloop.findings import Sent
from freeloop.host import CANARY_PATH
from freeloop.http_client import Response, send
from freeloop.request_plan import PlannedRequest

CANARY_INTERVAL_S = 0.02  # s between the response of one canary and the next canary
STARVED = 20  # a request may take this many times its limit as long as canaries get no response either
QUIET_CANARIES = 3  # sent after the last response, so that work which a request left on the loop has begun


@dataclass(frozen=True)
class LoadBounds:
    """How much to send to each endpoint: ``requests`` after the first one, over ``seconds``. Each may take ``limit_s`` seconds."""

    requests: int = 20
    seconds: float = 2.0
    limit_s: float = 10.0


@dataclass
class Window:
    """What was sent to one endpoint. Times are seconds of ``time.perf_counter()``."""

    request: PlannedRequest | None
    start: float
    first_end: float
    end: float
    sent: list[Sent]
    canaries: list[Sent]


class Load:
    """Sends requests to one port of 127.0.0.1."""

    def __init__(self, port: int, bounds: LoadBounds, stuck_s: Callable[[], float] = lambda: 0.0) -> None:
        """``stuck_s`` returns for how many seconds the service's loop has been blocked so far."""
        self._port = port
        self._stuck_s = stuck_s
        self._bounds = bounds
        self._answered = time.perf_counter()  # when the last response to a canary came

    async def idle(self, seconds: float) -> Window:
        """Send only canaries for some seconds: what blocks the loop in this window isn't caused by a request."""
        start = time.perf_counter()
        canaries: list[Sent] = []
        task = asyncio.create_task(self._canaries(canaries))
        await asyncio.sleep(seconds)
        await _cancel(task)
        return Window(None, start, start, time.perf_counter(), [], canaries)

    async def route(self, request: PlannedRequest) -> Window:
        """Send one request alone, then the others at their scheduled times, and wait until all have ended."""
        start = time.perf_counter()
        sent: list[Sent] = []
        canaries: list[Sent] = []
        task = asyncio.create_task(self._canaries(canaries))
        try:
            await self._send(request, sent)
            await self._quiet()
            first_end = time.perf_counter()
            gap = self._bounds.seconds / max(self._bounds.requests, 1)
            running = []
            for number in range(self._bounds.requests):
                await asyncio.sleep(max(first_end + number * gap - time.perf_counter(), 0.0))
                running.append(asyncio.create_task(self._send(request, sent)))
            await asyncio.gather(*running)
            await self._quiet()
        finally:
            await _cancel(task)
        return Window(request, start, first_end, time.perf_counter(), sent, canaries)

    async def _send(self, request: PlannedRequest, sent: list[Sent]) -> None:
        one = Sent(time.perf_counter())
        sent.append(one)
        try:
            running = asyncio.ensure_future(
                send(self._port, request.method, request.path, request.headers, request.body)
            )
            await self._wait_for(running)
            if not running.done():
                running.cancel()
                one.error = f"no response within {self._bounds.limit_s:g} s"
                return
            one.status, one.end = running.result().status, time.perf_counter()
        except (OSError, ValueError, asyncio.IncompleteReadError) as problem:
            one.error = str(problem) or type(problem).__name__

    async def _wait_for(self, running: asyncio.Future[Response]) -> None:
        """Wait until a request is done or over its limit. The limit doesn't count while canaries get no response either.

        There's nothing to wait for if the loop has been blocked for as long as the limit.
        """
        limit, start = self._bounds.limit_s, time.perf_counter()
        while not running.done() and time.perf_counter() - start < STARVED * limit and not self.stuck:
            await asyncio.wait([running], timeout=limit / 10)
            now = time.perf_counter()
            if now - start >= limit and now - self._answered < limit / 2:
                return

    @property
    def stuck(self) -> bool:
        """Whether the loop has been blocked for longer than a response may take."""
        return self._stuck_s() >= self._bounds.limit_s

    async def _canary(self, canaries: list[Sent]) -> None:
        one = Sent(time.perf_counter())
        canaries.append(one)
        try:
            one.status = (await send(self._port, "GET", CANARY_PATH)).status
            one.end = self._answered = time.perf_counter()
        except (OSError, ValueError) as problem:
            one.error = str(problem)

    async def _canaries(self, canaries: list[Sent]) -> None:
        while True:
            await self._canary(canaries)
            await asyncio.sleep(CANARY_INTERVAL_S)

    async def _quiet(self) -> None:
        """Send `QUIET_CANARIES` canaries, one after the other."""
        for _ in range(QUIET_CANARIES):
            canary = asyncio.create_task(self._canary([]))
            end = time.perf_counter() + STARVED * self._bounds.limit_s
            while not canary.done() and time.perf_counter() < end and not self.stuck:
                await asyncio.wait([canary], timeout=self._bounds.limit_s / 10)
            if not canary.done():
                await _cancel(canary)
                return


async def send_load(
    port: int,
    requests: tuple[PlannedRequest, ...],
    bounds: LoadBounds,
    idle_s: float,
    progress: Callable[[str], None],
    stuck_s: Callable[[], float] = lambda: 0.0,
) -> list[Window]:
    """Send everything. Return a window for the idle time and one for each request, in order.

    If the loop is blocked for good (see `Load`), the rest isn't sent, and has no window.
    """
    load = Load(port, bounds, stuck_s)
    windows = [await load.idle(idle_s)]
    for request in requests:
        if load.stuck:
            break
        progress(request.name)
        windows.append(await load.route(request))
    return windows


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
