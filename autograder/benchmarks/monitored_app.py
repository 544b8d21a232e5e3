"""Serves an app under a tool that looks for blocking; a process of `monitors`.

It's started as ``python -m autograder.benchmarks.monitored_app TOOL THRESHOLD FILE FD``, and serves ``app`` of FILE on the
socket FD. ``GET /-/watch`` turns the tool on, ``GET /-/done`` turns it off. Whatever the tool reports in between is printed
to stdout, a JSON string on each line. THRESHOLD is in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

Context = contextlib.AbstractAsyncContextManager[None]


_write = os.write  # blockbuster replaces it


def report(text: str) -> None:
    """Print what the tool reports; written at once, because the process may be killed."""
    _write(1, (json.dumps(text) + "\n").encode())


@contextlib.asynccontextmanager
async def nothing(threshold: float) -> AsyncIterator[None]:
    """Watch nothing: what the overhead of the tools is compared with."""
    yield


@contextlib.asynccontextmanager
async def debug_mode(threshold: float) -> AsyncIterator[None]:
    """asyncio's debug mode, which logs each callback that takes longer than the threshold."""

    class Reported(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(record.getMessage())

    loop, handler = asyncio.get_running_loop(), Reported(logging.WARNING)
    loop.set_debug(True)
    loop.slow_callback_duration = threshold
    logging.getLogger("asyncio").addHandler(handler)
    yield
    logging.getLogger("asyncio").removeHandler(handler)
    loop.set_debug(False)


@contextlib.asynccontextmanager
async def heartbeat(threshold: float) -> AsyncIterator[None]:
    """A task that sleeps for 10 ms again and again, and reports when it woke up too late: what most monitors do."""

    async def beat() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.01)
            late = time.perf_counter() - start - 0.01
            if late > threshold:
                report(f"the loop was {1000 * late:.0f} ms late")

    task = asyncio.create_task(beat())
    yield
    await asyncio.sleep(0)
    task.cancel()


@contextlib.asynccontextmanager
async def blockbuster(threshold: float) -> AsyncIterator[None]:
    """blockbuster, which replaces functions that block by ones that raise. It has no threshold."""
    from blockbuster import blockbuster_ctx

    with blockbuster_ctx():
        yield


@contextlib.asynccontextmanager
async def pyleak(threshold: float) -> AsyncIterator[None]:
    """pyleak, whose thread checks whether the loop responds; it reports at the end."""
    from pyleak import EventLoopBlockError, no_event_loop_blocking
    from pyleak.base import LeakAction
    from pyleak.utils import CallerContext

    # Without a context it reports only what has the file of the `async with` on its stack, as in a test.
    server = CallerContext(filename=__file__, name="", lineno=0, files={asyncio.base_events.__file__})
    try:
        async with no_event_loop_blocking(
            LeakAction.RAISE, threshold=threshold, check_interval=threshold / 4, caller_context=server
        ):
            yield
    except EventLoopBlockError as error:
        report(str(error))


@contextlib.asynccontextmanager
async def aiocop(threshold: float) -> AsyncIterator[None]:
    """aiocop, which listens to Python's audit events and measures each callback."""
    import aiocop as tool

    def slow(event: Any) -> None:
        if event.exceeded_threshold:
            report(f"{event.reason} {event.blocking_events} {event.cpu_stack_samples}")

    tool.patch_audit_functions()
    tool.start_blocking_io_detection()
    tool.detect_slow_tasks(threshold_ms=1000 * threshold, on_slow_task=slow)
    tool.activate()
    yield
    await asyncio.sleep(0)  # an event is reported when its callback is over
    tool.deactivate()


MONITOR = "freeloop monitor"
TOOLS: dict[str, Callable[[float], Context]] = {
    "none": nothing,
    "debug mode": debug_mode,
    "heartbeat": heartbeat,
    "blockbuster": blockbuster,
    "pyleak": pyleak,
    "aiocop": aiocop,
    "py-spy": nothing,  # it watches from outside
    MONITOR: nothing,  # it's a middleware
}


class Watched:
    """The ASGI app around the one that is watched: it turns the tool on and off."""

    def __init__(self, app: Any, tool: str, threshold: float, folder: str) -> None:
        self.app = app
        self._tool, self._threshold, self._folder = tool, threshold, folder
        self._on: contextlib.AsyncExitStack | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope.get("path") == "/-/watch":
            if self._tool == MONITOR:
                self.app = self._monitored()
            self._on = contextlib.AsyncExitStack()
            await self._on.enter_async_context(TOOLS[self._tool](self._threshold))
        elif scope.get("path") == "/-/done" and self._on:
            await self._on.aclose()
        else:
            return await self._serve(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            if self._tool == "blockbuster" and type(error).__name__ == "BlockingError":
                report("".join(traceback.format_exception(error)))
            raise

    def _monitored(self) -> Any:
        from freeloop.monitor import LoopMonitor

        budget = f"{1000 * self._threshold:.0f}ms"
        return LoopMonitor(self.app, budget=budget, folder=self._folder, on_block=lambda block: report(str(block)))


def main(tool: str, threshold: float, file: str, number: int) -> None:
    """Serve until the process is ended."""
    import uvicorn

    threading.Thread(target=lambda: sys.stdin.read() or os._exit(0), daemon=True).start()  # its owner's lifeline
    spec = importlib.util.spec_from_file_location("service", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["service"] = module
    spec.loader.exec_module(module)
    app = Watched(module.app, tool, threshold, str(Path(file).resolve().parent))
    uvicorn.run(app, fd=number, log_level="critical", access_log=False, loop="asyncio")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
