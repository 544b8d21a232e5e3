"""Serve an ASGI app in the service's own interpreter, and report on its event loop.

`service_process` starts it by path as ``python host.py SPEC`` in the service's folder. ``SPEC`` is a JSON object with ``app``
("shop.main:app"), ``factory``, ``path`` (put on ``sys.path``), ``loop`` ("asyncio" or "uvloop") and ``warm_up``.

* stdin: when it closes, this process ends. The reply to each byte is a report ``here``, after all earlier reports.
* stdout: one JSON object per line: ``routes``, ``ready``, ``failed``, ``turn`` and ``late`` (a long iteration of the loop), ``gil``,
  ``busy``, ``pool``, ``here``.  Times are seconds of ``time.perf_counter()``.
* stderr: whatever the app prints.

This needs only the standard library, uvicorn, and this package's folder ``core``. The package doesn't have to be installed in
the service's environment.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import sys
import threading
import time
import traceback
from typing import Any

CANARY_PATH = "/.freeloop/canary"  # answered before the app is called, so it needs only the loop
POOL_INTERVAL_S = 0.01  # s between two observations of the thread pools
# Relative to this file, because the package can be installed without the course and its `autograder.paths`.
CORE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "core")


class ReportWriter:
    """Writes reports to the process that started this one, one line each, from any thread."""

    def __init__(self, file_descriptor: int) -> None:
        self._fd = file_descriptor
        self._lock = threading.Lock()

    def __call__(self, **report: object) -> None:
        """Write one report. End this process if the pipe is closed."""
        data = json.dumps(report, default=str).encode() + b"\n"
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                os._exit(3)


class Instrumented:
    """ASGI middleware that responds to canaries, and keeps a reference to the limiter of the app's thread pool."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.limiter: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http" and scope["path"] == CANARY_PATH:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if self.limiter is None and "anyio" in sys.modules:
            try:
                self.limiter = sys.modules["anyio"].to_thread.current_default_thread_limiter()
            except Exception:
                self.limiter = False
        await self.app(scope, receive, send)


def pool_sizes(limiter: Any, loop: Any) -> list[dict[str, Any]]:
    """Return ``name``, ``used``, ``total`` and ``waiting`` of both thread pools: anyio's (``def`` endpoints) and asyncio's."""
    found: list[dict[str, Any]] = []
    if limiter:
        waiting = limiter.statistics().tasks_waiting
        used, total = limiter.borrowed_tokens, limiter.total_tokens
        found.append({"name": "anyio", "used": used, "total": total, "waiting": waiting})
    executor = getattr(loop, "_default_executor", None)
    if executor is not None:
        threads, total = len(executor._threads), executor._max_workers
        idle = executor._idle_semaphore._value
        waiting = executor._work_queue.qsize()
        found.append({"name": "asyncio", "used": max(threads - idle, 0), "total": total, "waiting": waiting})
    return found


def report_pools(send_report: ReportWriter, app: Instrumented, loop: Any) -> None:
    """Report the thread pools whenever their use changes. This runs in a thread and never returns."""
    last: list[dict[str, object]] = []
    while True:
        time.sleep(POOL_INTERVAL_S)
        try:
            now = pool_sizes(app.limiter, loop)
        except Exception:
            continue  # the private attributes have other names in this version of Python
        if now != last:
            last = now
            send_report(event="pool", t=time.perf_counter(), pools=now)


def reply_to_stdin(send_report: ReportWriter) -> None:
    """Reply to each byte on stdin, and end the process when stdin closes. This runs in a thread."""
    while os.read(0, 1):
        send_report(event="here")
    os._exit(0)


def find_app(name: str, factory: bool) -> Any:
    """Import and return the app ``name``, which is ``package.module:attribute`` as for uvicorn.

    Raise `ImportError` or `AttributeError` if there's none, and whatever the service's code raises.
    """
    module_name, _, attribute = name.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in (attribute or "app").split("."):
        found = getattr(found, part)
    return found() if factory else found


def routes_of(app: Any) -> dict[str, object]:
    """Return the app's OpenAPI schema (None if it has none) and its routes as (methods, path)."""
    schema = None
    try:
        schema = app.openapi()
    except Exception:
        schema = None  # not a FastAPI app, or its schema can't be generated
    routes = [
        [sorted(route.methods), route.path]
        for route in getattr(app, "routes", None) or []
        if getattr(route, "methods", None) and getattr(route, "path", None)
    ]
    return {"openapi": schema, "routes": routes}


def source_folder(name: str, folder: str) -> str:
    """Return the folder whose code counts as the service's: the working directory, or the folder of an installed package."""
    top = sys.modules.get(name.partition(":")[0].partition(".")[0])
    file = getattr(top, "__file__", None)
    paths: list[str] = [os.path.dirname(file)] if file else list(getattr(top, "__path__", []))
    project = os.path.join(os.path.realpath(folder), "")
    for path in map(os.path.realpath, paths):
        outside = not os.path.join(path, "").startswith(project)
        if outside or "site-packages" in path[len(project) :]:
            return path
    return project


async def serve(
    app: Instrumented, send_report: ReportWriter, iterations: Any, spec: dict[str, Any], watched: str
) -> None:
    """Serve the app with uvicorn on a free port of 127.0.0.1, and report ``ready`` when it accepts requests."""
    import uvicorn

    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                iterations.phase = "serving"
                send_report(
                    event="ready",
                    port=sock.getsockname()[1],
                    python=".".join(map(str, sys.version_info[:3])),
                    loop=spec["loop"],
                    watched=watched,
                    platform=sys.platform,
                    folder=iterations.app_folder,
                    uvloop_installed=importlib.util.find_spec("uvloop") is not None,
                )

    await Server(config).serve(sockets=[sock])


def main(spec: dict[str, Any]) -> int:
    """Serve until stdin closes. Return 1 if the app can't be served."""
    out = os.dup(1)
    send_report = ReportWriter(out)
    os.dup2(2, 1)
    threading.Thread(target=reply_to_stdin, args=(send_report,), name="freeloop-lifeline", daemon=True).start()
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        path for path in sys.path if os.path.abspath(path or ".") != own
    ]  # where Python puts a script's folder
    sys.path.insert(0, CORE)
    import app_warm_up
    import loop_watchdog

    sys.path.remove(CORE)
    for name in ("app_warm_up", "loop_watchdog"):
        del sys.modules[name]  # the service may have modules of these names
    sys.path.insert(0, spec["path"])
    import importlib.util

    iterations = loop_watchdog.LoopIterations(send_report, os.getcwd())
    iterations.start()
    stage = "import"
    try:
        if importlib.util.find_spec("uvicorn") is None:
            raise ModuleNotFoundError("uvicorn isn't installed in the service's environment: pip install uvicorn")
        app = find_app(spec["app"], spec["factory"])
        iterations.set_folder(source_folder(spec["app"], os.getcwd()))
        if not callable(app):
            raise TypeError(f"{spec['app']} is a {type(app).__name__}, not an ASGI app")
        send_report(event="routes", **routes_of(app))
        if spec["warm_up"]:
            app_warm_up.import_lazily_loaded()
            app_warm_up.prepare_routes(app)
        stage = "startup"
        instrumented = Instrumented(app)
        if spec["loop"] == "uvloop":
            import uvloop

            loop: Any = uvloop.new_event_loop()
            loop_watchdog.watch_from_outside(loop, iterations)
            watched = "callbacks"
        else:
            loop, watched = loop_watchdog.watched_loop(iterations), "iterations"
        asyncio.set_event_loop(loop)
        threading.Thread(
            target=report_pools, args=(send_report, instrumented, loop), name="freeloop-pools", daemon=True
        ).start()
        loop.run_until_complete(serve(instrumented, send_report, iterations, spec, watched))
    except BaseException as error:
        send_report(event="failed", stage=stage, error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # doesn't wait for threads of the service that still run
