"""An ASGI middleware that measures the lag of the event loop and names the line that blocked it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeloop.core import loop_watchdog
from freeloop.durations import readable, seconds
from freeloop.host import pool_sizes
from freeloop.monitor.recorder import Lag, Recorder

LOG_INTERVAL_S = 60.0  # s between two reports of the same line
LOGS_A_MINUTE = 10  # most reports a minute, for all lines together
LABELS_MAX = 200  # pairs of route and line with their own counter; all others share one
PULSE_INTERVAL_S = 0.05  # s between two callbacks on a loop whose iterations can't be observed, such as uvloop's

logger = logging.getLogger("freeloop")


@dataclass(frozen=True)
class BlockedLoop:
    """A block over the budget: its seconds, the route, the line (``file:line``) with its code, and the stack, innermost first.

    ``suppressed`` is the number of blocks since the last report that the rate limit kept from being reported. ``running`` is True
    if the block hadn't ended when it was reported, and may never end.
    """

    seconds: float
    route: str
    line: str
    code: str
    stack: tuple[tuple[str, int, str], ...]
    suppressed: int
    running: bool = False

    def __str__(self) -> str:
        stack = "".join(f"\n  {file}:{line} in {name}" for file, line, name in self.stack)
        more = f" ({self.suppressed} more weren't reported)" if self.suppressed else ""
        blocked = "has been blocking" if self.running else "blocked"
        so_far = " so far" if self.running else ""
        return (
            f"{self.route} {blocked} the event loop for {readable(self.seconds)}{so_far} at {self.line}: "
            f"{self.code}{more}{stack}"
        )


class LoopMonitor:
    """The ASGI middleware: ``app.add_middleware(LoopMonitor, budget="100ms")``, or ``LoopMonitor(app)`` around any ASGI app.

    Code in ``folder`` counts as the service's; the default is the working directory. The response to ``metrics_path``, if it's
    set, is the metrics in Prometheus' text format. ``on_block`` is called with each reported `BlockedLoop`, in a thread of the
    monitor. Without it, blocks are logged as warnings of the logger ``freeloop``.
    """

    current: LoopMonitor | None = None  # the newest monitor of this process, for exporters

    def __init__(
        self,
        app: Any,
        budget: str = "100ms",
        folder: str | None = None,
        metrics_path: str | None = None,
        on_block: Callable[[BlockedLoop], object] | None = None,
    ) -> None:
        self.app = app
        self.metrics_path = metrics_path
        self.blocks: Counter[tuple[str, str]] = Counter()  # number of blocks over the budget, by (route, line)
        self.on_lag: list[Callable[[Lag], object]] = []  # called with each iteration of at least 1 ms
        self.watched = ""  # "iterations" or "callbacks" after the first request or lifespan event
        self.recorder = Recorder(folder or str(Path.cwd()), seconds(budget), self._lag)
        self._on_block = on_block or (lambda block: logger.warning("%s", block))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limiter: Any = None
        self._reported: dict[str, float] = {}
        self._suppressed = 0
        LoopMonitor.current = self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""
        if self._loop is None:
            self._start()
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] == self.metrics_path:
            await self._metrics(send)
            return
        recorder, task = self.recorder, id(asyncio.current_task())
        recorder.requests[task] = scope
        try:
            await self.app(scope, receive, send)
        finally:
            recorder.ended[task] = recorder.requests.pop(task, scope)

    def pools(self) -> list[dict[str, Any]]:
        """Return ``name``, ``used``, ``total`` and ``waiting`` of each thread pool."""
        try:
            return pool_sizes(self._limiter, self._loop)
        except (AttributeError, RuntimeError):
            return []  # the private attributes have other names in this version of Python

    def stop(self) -> None:
        """Stop monitoring the loop."""
        if self._loop is not None:
            loop_watchdog.detach(self._loop)
        self.recorder.stop()

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.recorder.loop_thread = threading.get_ident()
        self.recorder.start()
        if loop_watchdog.attach(self._loop, self.recorder):
            self.watched = "iterations"
        else:
            loop_watchdog.watch_from_outside(self._loop, self.recorder, PULSE_INTERVAL_S)
            self.watched = "callbacks"
        if "anyio" in sys.modules:
            self._limiter = sys.modules["anyio"].to_thread.current_default_thread_limiter()

    async def _metrics(self, send: Any) -> None:
        from freeloop.monitor.prometheus import CONTENT_TYPE, text

        headers = [(b"content-type", CONTENT_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text(self).encode()})

    def _lag(self, lag: Lag) -> None:
        if not lag.running:  # it's counted when it ends
            for callback in self.on_lag:
                callback(lag)
        blocked = lag.seconds["blocked"]
        if blocked < self.recorder.budget_s:
            return
        place = lag.places[0][0] if lag.places else None
        line = f"{place.file}:{place.line}" if place else "unknown"
        route = route_of(lag.request)
        if not lag.running:
            known = (route, line) in self.blocks or len(self.blocks) < LABELS_MAX
            self.blocks[(route, line) if known else ("other", "other")] += 1
        now = time.monotonic()
        recent = [at for at in self._reported.values() if now - at < 60.0]
        if now - self._reported.get(line, float("-inf")) < LOG_INTERVAL_S or len(recent) >= LOGS_A_MINUTE:
            self._suppressed += 1
            return
        if len(self._reported) > 10 * LABELS_MAX:
            self._reported.clear()
        self._reported[line] = now
        suppressed, self._suppressed = self._suppressed, 0
        self._on_block(
            BlockedLoop(blocked, route, line, place.code if place else "", lag.stack, suppressed, lag.running)
        )


def route_of(scope: Any) -> str:
    """Return a request's method and route, as in ``GET /items/{item_id}``, or its path if the framework didn't set a route."""
    if scope is None:
        return "(no request)"
    path = getattr(scope.get("route"), "path", None) or scope["path"]
    return f"{scope['method']} {path}"
