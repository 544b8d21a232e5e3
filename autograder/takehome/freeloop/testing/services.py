"""The services under test: an app in this process, an app in a separate process, or a server that already runs.

All have the same methods. They send requests from other threads, so a test is a plain function, and a blocked event loop
doesn't block the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from freeloop import http_client
from freeloop.core import app_warm_up, loop_watchdog
from freeloop.findings import Block, block_of
from freeloop.host import CANARY_PATH
from freeloop.service_process import ServiceProcess, ServiceSpec
from freeloop.testing.requests import Reply, Request

START_LIMIT_S = 120.0  # s within which an app's lifespan must start
STOP_LIMIT_S = 10.0  # s within which it must stop


class Service(Protocol):
    """The interface that proofs use. ``watched`` is True if the service's event loop is observed."""

    watched: bool

    def send(self, request: Request) -> Future[Reply]:
        """Send a request and return a future for its reply."""

    def canary(self) -> Future[Reply]:
        """Send a probe that needs only the event loop."""

    def running_block(self) -> tuple[str, float] | None:
        """Return the line of the current iteration and its seconds so far, without waits for a CPU, or None."""

    def blocks(self, start: float, end: float) -> list[Block]:
        """Return the long iterations that began between two times of ``time.perf_counter()``, once all are reported."""

    def waiting_lines(self) -> list[str]:
        """Return the lines at which requests wait now, as far as they're known."""

    def stop(self) -> None:
        """Stop everything that this service has started."""


class _Client:
    """Sends HTTP requests from an event loop in a separate thread."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="freeloop-client", daemon=True)
        self._thread.start()

    def send(self, request: Request) -> Future[Reply]:
        return asyncio.run_coroutine_threadsafe(self._send(request), self._loop)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        # a cancelled request still closes its connection, which takes more than one iteration
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))
        self._loop.close()

    async def _send(self, request: Request) -> Reply:
        try:
            found = await http_client.send(
                self._port, request.method, request.path, request.all_headers, request.body, self._host
            )
        except (OSError, ValueError, asyncio.IncompleteReadError) as problem:
            return Reply(None, error=f"{type(problem).__name__}: {problem}")
        return Reply(found.status, found.body, found.headers)


class UrlService:
    """A server that already runs on this machine. Its loop can't be observed, so a failure names no line.

    ``canary_path`` is the path of a cheap endpoint that needs only the event loop. Raise `ValueError` for another machine's URL.
    """

    watched = False

    def __init__(self, url: str, canary_path: str) -> None:
        parts = urlsplit(url)
        if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"{url} isn't on this machine: use a URL with 127.0.0.1 or localhost")
        self._client = _Client(parts.hostname, parts.port or 80)
        self._canary = Request("GET", canary_path)

    def send(self, request: Request) -> Future[Reply]:
        """Send a request."""
        return self._client.send(request)

    def canary(self) -> Future[Reply]:
        """Send a request to ``canary_path``."""
        return self._client.send(self._canary)

    def running_block(self) -> tuple[str, float] | None:
        """Return None, because the loop isn't observed."""
        return None

    def blocks(self, start: float, end: float) -> list[Block]:
        """Return an empty list, because the loop isn't observed."""
        return []

    def waiting_lines(self) -> list[str]:
        """Return an empty list, because the process isn't observed."""
        return []

    def stop(self) -> None:
        """Close the client. The server keeps running."""
        self._client.stop()


class ProcessService:
    """An app in a separate process, with the watchdog. Raise `freeloop.service_process.ServiceError` if it doesn't start."""

    watched = True

    def __init__(self, spec: ServiceSpec) -> None:
        self._late: dict[str, Any] | None = None
        self._process = ServiceProcess(spec, self._reported)
        self._client = _Client("127.0.0.1", self._process.port)
        self.url = f"http://127.0.0.1:{self._process.port}"

    def send(self, request: Request) -> Future[Reply]:
        """Send a request."""
        return self._client.send(request)

    def canary(self) -> Future[Reply]:
        """Send a probe that is answered before the app is called."""
        return self._client.send(Request("GET", CANARY_PATH))

    def running_block(self) -> tuple[str, float] | None:
        """Return the current long iteration according to the watchdog's last report, or None."""
        late = self._late
        if late is None or not late["where"]:
            return None
        place = late["where"][0]
        return line_text(place["file"], place["line"], place["code"]), late["end"] - late["start"] - late["waited"]

    def blocks(self, start: float, end: float) -> list[Block]:
        """Return the long iterations of a window."""
        # replies are sent within their iteration: when a later canary is answered, that iteration has been reported
        self.canary().result()
        self._process.flush()
        turns = [report for report in self._process.reports if report["event"] == "turn"]
        return [block_of(report) for report in turns if start <= report["start"] < end]

    def waiting_lines(self) -> list[str]:
        """Return an empty list, because the watchdog observes only the loop's thread."""
        return []

    def stop(self) -> None:
        """Stop the process."""
        self._client.stop()
        self._process.stop()

    def _reported(self, report: dict[str, Any]) -> None:
        if report["event"] == "late":
            self._late = report
        elif report["event"] == "turn":
            self._late = None


class AppService:
    """An app in this process, on an event loop in another thread. Requests are ASGI calls, without HTTP.

    The test can replace the app's functions, because they're in the same process. Code in ``folder`` counts as the app's. Raise
    what the app's start-up raises.
    """

    watched = True

    def __init__(self, app: Any, folder: str) -> None:
        self._app = app
        self._folder = folder
        self._reports: list[dict[str, Any]] = []
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="freeloop-app", daemon=True)
        self._thread.start()
        self._ready.result(START_LIMIT_S)

    def send(self, request: Request) -> Future[Reply]:
        """Call the app with a request."""
        return asyncio.run_coroutine_threadsafe(call(self._app, request, self._state), self._loop)

    def canary(self) -> Future[Reply]:
        """Schedule a callback on the loop, and return a future for its run."""
        answered: Future[Reply] = Future()
        self._loop.call_soon_threadsafe(lambda: answered.set_result(Reply(204)))
        return answered

    def running_block(self) -> tuple[str, float] | None:
        """Return the line and the seconds so far of the current iteration, or None."""
        found = self._iterations.current()
        return None if found is None else (line_text(found[0].file, found[0].line, found[0].code), found[1])

    def blocks(self, start: float, end: float) -> list[Block]:
        """Return the long iterations of a window."""
        self.canary().result()
        self.canary().result()  # so the iteration that ran the first callback has ended
        turns = [report for report in list(self._reports) if report["event"] == "turn"]
        return [block_of(report) for report in turns if start <= report["start"] < end]

    def waiting_lines(self) -> list[str]:
        """Return the innermost lines of the app at which its tasks and threads wait."""
        with loop_watchdog.stable_frames():
            return self._waiting_lines()

    def _waiting_lines(self) -> list[str]:
        frames = [frame for task in asyncio.all_tasks(self._loop) for frame in self._innermost(task.get_coro())]
        others = (self._thread.ident, threading.get_ident(), threading.main_thread().ident)
        frames += [frame for thread, frame in sys._current_frames().items() if thread not in others]
        places = [self._iterations.place(frame) for frame in frames]
        own = [place for place in places if place.file.startswith(self._iterations.app_folder)]
        return sorted({line_text(place.file, place.line, place.code) for place in own})

    def _innermost(self, coroutine: Any) -> list[Any]:
        """Return the app's innermost frame of a suspended coroutine as a list, which is empty if the app has none."""
        found = []
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
            if frame is not None and self._iterations.place(frame).file.startswith(self._iterations.app_folder):
                found = [frame]
            coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
        return found

    def stop(self) -> None:
        """Shut the app down and stop the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(STOP_LIMIT_S)

    def _run(self) -> None:
        self._iterations = iterations = loop_watchdog.LoopIterations(
            lambda **report: self._reports.append(report), self._folder
        )
        iterations.start()
        self._loop = loop = loop_watchdog.watched_loop(iterations)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve(iterations))
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            iterations.stop()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()

    async def _serve(self, iterations: loop_watchdog.LoopIterations) -> None:
        self._over = asyncio.Event()
        self._state: dict[str, Any] = {}
        app_warm_up.import_lazily_loaded()
        app_warm_up.prepare_routes(self._app)
        lifespan = Lifespan(self._app, self._state)
        await lifespan.start()
        iterations.phase = "serving"
        self._ready.set_result(None)
        await self._over.wait()
        await lifespan.stop()


class Lifespan:
    """Runs an app's lifespan, as a server does."""

    def __init__(self, app: Any, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def start(self) -> None:
        """Start the app. Raise what its start-up raises. An app without a lifespan needs no start."""
        self._task = asyncio.create_task(self._run())
        self._events.put_nowait({"type": "lifespan.startup"})
        answer = await self._answers.get()
        if answer["type"] == "lifespan.startup.failed":
            raise answer.get("error") or RuntimeError(answer.get("message", "the lifespan failed"))

    async def stop(self) -> None:
        """Shut the app down."""
        if not self._task.done():
            self._events.put_nowait({"type": "lifespan.shutdown"})
            await self._answers.get()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        started = False

        async def send(message: dict[str, Any]) -> None:
            nonlocal started
            started = started or message["type"] == "lifespan.startup.complete"
            self._answers.put_nowait(message)

        try:
            await self._app(scope, self._events.get, send)
        except Exception as error:
            # an app without lifespan support raises before it receives the first event
            kind = "lifespan.startup.complete" if self._events.qsize() else "lifespan.startup.failed"
            self._answers.put_nowait({"type": kind, "error": error})
        else:
            self._answers.put_nowait({"type": "lifespan.startup.complete"})


async def call(app: Any, request: Request, state: Mapping[str, Any]) -> Reply:
    """Call an ASGI app with one request and return its reply. If the app raises, the reply contains the traceback as its error."""
    path, _, query = request.path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "test", **request.all_headers}.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "state": dict(state),
    }
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": request.body or b"", "more_body": False}]
    complete = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            complete.set()

    error = ""
    try:
        await app(scope, receive, send)
    except Exception:
        error = traceback.format_exc(limit=-3).strip()
    start = next((message for message in sent if message["type"] == "http.response.start"), None)
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in (start or {}).get("headers", ())}
    return Reply(start["status"] if start else None, body, headers, error)


def line_text(file: str, line: int, code: str = "") -> str:
    """Return ``file:line: code``, with the file relative to the current folder if it's in there."""
    with contextlib.suppress(ValueError):
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{file}:{line}: {code or linecache.getline(file, line).strip()}"


def now() -> float:
    """Return the current time in seconds, on the clock of all reports."""
    return time.perf_counter()
