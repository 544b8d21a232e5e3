"""Serves the ``app`` of one file in its own process.

Started as ``python -I serve_app.py FILE`` with three pipes:

* stdin: the lifeline. When it closes, the owner has ended, and this process kills its whole process group, itself included.
  Each byte on it is answered with a `Here` report: when the owner has read that, it has read all earlier reports.
* stdout: reports to the owner, one per line (`messages.reports`).
* stderr: what the app prints.

What the app prints to stdout goes to stderr, so it can't be mistaken for a report.
"""

from __future__ import annotations

import importlib
import linecache
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from autograder.programs.messages import Message, encode, reports
else:  # started by path: the folder isn't a package
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, _HERE)
    from messages import encode, reports

    sys.path.remove(_HERE)

OWN_MODULES = ("serve_app", "app_warm_up", "loop_watchdog", "procfs", "messages", "messages.reports")
# The folder of `app_warm_up` and `loop_watchdog`, in the package that learners take home; nothing else of it is needed here.
# The forkserver takes it from here. `autograder.paths` has the same, because programs can't import that module.
WATCHDOG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "takehome", "freeloop", "core")
COLLECTIONS_LIMIT_S = 0.5  # less than the second for which `Server.drain_reports` waits for an answer


class ReportWriter:
    """Writes reports to the owner. Thread-safe: each report is written as a whole."""

    def __init__(self, file_descriptor: int) -> None:
        self._fd = file_descriptor
        self._lock = threading.Lock()

    def __call__(self, report: Message) -> None:
        data = encode(report).encode() + b"\n"
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                os._exit(3)  # the owner has closed its end


class WatchReports:
    """Converts the watchdog's events to messages, and passes them to a `ReportWriter`."""

    def __init__(self, send_report: ReportWriter) -> None:
        self._write = send_report

    def __call__(self, *, event: str, where: list[dict[str, Any]], **more: Any) -> None:
        places = [reports.Place(**{key: value for key, value in place.items() if key != "last"}) for place in where]
        if event in ("turn", "late"):
            self._write(reports.Iteration(over=event == "turn", where=places, **more))
        elif event == "gil":
            self._write(reports.GilHeld(where=places, **more))
        else:
            self._write(reports.ThreadCpu(where=places, **more))


class Trace:
    """Converts an exception to what a learner needs: (type, message, the traceback's lines in their file)."""

    def __init__(self, app_file: str) -> None:
        self.app_file = os.path.realpath(app_file)

    def __call__(self, error: BaseException) -> tuple[str, str, list[reports.Place]]:
        where = []
        seen = error
        while isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
        if isinstance(seen, SyntaxError) and seen.filename and os.path.realpath(seen.filename) == self.app_file:
            where.append(reports.Place(line=seen.lineno or 0, code=(seen.text or "").strip()))
        for entry in traceback.extract_tb(seen.__traceback__):
            if os.path.realpath(entry.filename) == self.app_file:
                where.append(reports.Place(line=entry.lineno or 0, code=entry.line or "", function=entry.name))
        message = str(seen.msg if isinstance(seen, SyntaxError) else seen)
        return str(type(seen).__name__), message[:2000], where[-10:]


class NotInApps:
    """A finder for `sys.meta_path` that rejects modules which patch asyncio, and says why."""

    NAMES = {"nest_asyncio", "nest_asyncio2"}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise `ImportError` for one of `NAMES`, and leave every other module to the next finder."""
        if name in self.NAMES:
            raise ImportError(
                f"{name} is for notebooks. In an app it hides that a loop is run inside the running one, where requests "
                "wait for each other. Write `await` instead."
            )


class Failed(Exception):
    """The app can't be served; holds the report."""

    def __init__(self, report: reports.StartFailed) -> None:
        self.report = report


def die_with_owner(send_report: ReportWriter, wait_for_reports: Callable[[float], None]) -> None:
    """Answer each byte on the lifeline, and kill the process group when it closes. Blocks: run it in a thread.

    Before an answer, ``wait_for_reports`` waits until the watchdog has sent its reports, for at most the seconds that it's
    called with.
    """
    while question := os.read(0, 1):
        wait_for_reports(COLLECTIONS_LIMIT_S)
        send_report(reports.Here(question[0]))
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def dump_stacks_on_signal(file_descriptor: int) -> bool:
    """Have SIGUSR2 write all stacks to the owner, even while a call holds the GIL. Return False if that isn't possible."""
    try:
        import faulthandler

        faulthandler.register(signal.SIGUSR2, file=file_descriptor, all_threads=True, chain=False)
    except (ImportError, AttributeError, OSError, RuntimeError):
        return False
    return True


def report_warnings(send_report: ReportWriter) -> None:
    """Report each RuntimeWarning, such as "coroutine ... was never awaited", and print it as usual."""
    warnings.simplefilter("always", RuntimeWarning)
    show = warnings.showwarning

    def showwarning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, RuntimeWarning):
            code = line or linecache.getline(filename, lineno)
            send_report(reports.PythonWarning(str(message), [reports.Place(str(filename), int(lineno), code.strip())]))
        show(message, category, filename, lineno, file, line)

    warnings.showwarning = showwarning


def load(app_file: str, trace: Trace) -> object:
    """Import the file and return its ``app``."""
    folder, name = os.path.split(os.path.realpath(app_file))
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    try:
        module = importlib.import_module(os.path.splitext(name)[0])
    except SyntaxError as error:
        raise Failed(reports.StartFailed("syntax", *trace(error))) from error
    except BaseException as error:  # in an import, SystemExit and KeyboardInterrupt are mistakes too
        raise Failed(reports.StartFailed("import", *trace(error))) from error
    if not hasattr(module, "app"):
        others = [str(key) for key, value in vars(module).items() if hasattr(value, "router") and callable(value)]
        raise Failed(reports.StartFailed("no app", others=others))
    if not callable(module.app):
        raise Failed(reports.StartFailed("not an app", str(type(module.app).__name__)))
    return module.app


def reporting(app, send_report: ReportWriter, trace: Trace, state: dict):
    """Return ``app``, wrapped so that its exceptions are reported before uvicorn sees them."""

    async def wrapped(scope: dict, receive, send) -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                state["startup"] = trace(error)
            elif isinstance(error, Exception):
                send_report(reports.RequestFailed(scope.get("path", ""), *trace(error)))
            raise

    return wrapped


def port_of(sock: socket.socket) -> int | None:
    """Return the port on which a socket listens; None for a Unix socket, whose path the owner knows."""
    return sock.getsockname()[1] if sock.family == socket.AF_INET else None


def local_socket() -> socket.socket:
    """Return a socket that is bound to a free port of loopback."""
    # asyncio only disables Nagle's algorithm if the socket was created with its protocol
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


async def serve(app, sock: socket.socket, send_report: ReportWriter, state: dict, iterations) -> None:
    """Serve ``app`` on ``sock`` with uvicorn, and report `Ready` once it accepts requests."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=30
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                state["ready"] = True
                iterations.phase = "serving"
                send_report(reports.Ready(port_of(sock), state["threads"], state["stacks"]))

    await Server(config).serve(sockets=[sock])


def main(app_file: str, sock: socket.socket | None = None) -> int:
    """Serve the file, on ``sock`` if the caller has one (as programs/forkserver.py does)."""
    out = os.dup(1)
    send_report = ReportWriter(out)
    os.dup2(2, 1)

    sys.path.insert(0, WATCHDOG)
    import app_warm_up
    import loop_watchdog

    sys.path.remove(WATCHDOG)
    for name in OWN_MODULES:
        sys.modules.pop(name, None)  # a learner's module may have that name
    report_warnings(send_report)
    sys.meta_path.insert(0, NotInApps())
    trace = Trace(app_file)
    iterations = loop_watchdog.LoopIterations(WatchReports(send_report), os.path.dirname(os.path.realpath(app_file)))
    arguments = send_report, iterations.wait_for_collections
    lifeline = threading.Thread(target=die_with_owner, args=arguments, name="course-lifeline", daemon=True)
    lifeline.start()
    state: dict[str, Any] = {
        "stacks": dump_stacks_on_signal(out),
        "threads": [lifeline.native_id, iterations.start().native_id],
    }
    try:
        app = load(app_file, trace)
        app_warm_up.import_lazily_loaded()
        app_warm_up.prepare_routes(app)
        import asyncio

        with (
            sock or local_socket() as sock,
            asyncio.Runner(loop_factory=lambda: loop_watchdog.watched_loop(iterations)) as runner,
        ):
            runner.run(serve(reporting(app, send_report, trace, state), sock, send_report, state, iterations))
    except Failed as failed:
        send_report(failed.report)
        return 1
    except (SystemExit, KeyboardInterrupt):
        if "ready" not in state:
            send_report(reports.StartFailed("startup", *state.get("startup", ("", "", []))))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
