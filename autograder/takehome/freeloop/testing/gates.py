"""Gates hold calls until the test releases them, so that the test knows how many are in progress at the same time.

A call arrives at a `Gate` in a coroutine (``await gate.arrive()``), in a thread (``gate.wait()``), through a function that the
gate replaces (`Gate.replace`), or, with an `Upstream`, through HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import sys
import sysconfig
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class Gate:
    """Holds all calls that arrive while it's closed, until it's opened. A new gate is open.

    ``misused`` lists the lines that called `wait` on the thread of a running event loop, which would block that loop.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._held: list[Callable[[], object]] = []
        self.misused: list[str] = []

    @property
    def held(self) -> int:
        """The number of calls that are held now."""
        with self._changed:
            return len(self._held)

    def close(self) -> None:
        """Hold all calls that arrive from now on."""
        with self._changed:
            self._open = False
            self.misused.clear()

    def open(self) -> None:
        """Release all held calls, and let later ones pass."""
        with self._changed:
            self._open = True
            held, self._held = self._held, []
        for release in held:
            release()

    def wait_for(self, count: int, seconds: float) -> bool:
        """Wait up to ``seconds`` until ``count`` calls are held, and return True if they are. A misuse ends the wait."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._held) >= count or bool(self.misused), seconds) and (
                len(self._held) >= count
            )

    async def arrive(self) -> None:
        """Wait at the gate in a coroutine, while the event loop stays free."""
        loop = asyncio.get_running_loop()
        passed = loop.create_future()

        def set_passed() -> None:
            if not passed.done():
                passed.set_result(None)

        def release() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(set_passed)

        if self._arrive(release):
            try:
                await passed
            finally:
                self._leave(release)

    def wait(self) -> None:
        """Wait at the gate in a thread. On a running event loop's thread, only add the calling line to `misused`."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            passed = threading.Event()
            if self._arrive(passed.set):
                passed.wait()
            return
        with self._changed:
            if not self._open:
                self.misused.append(calling_line(sys._getframe(1)))
                self._changed.notify_all()

    def replacement(self, original: Any, returns: Any) -> Callable[..., Any]:
        """Return a function that waits at the gate and returns ``returns``, or calls it with its own arguments if it's callable.

        It's a coroutine function if ``original`` is one.
        """

        def result(*words: Any, **named: Any) -> Any:
            return returns(*words, **named) if callable(returns) else returns

        if inspect.iscoroutinefunction(original):

            async def passing(*words: Any, **named: Any) -> Any:
                await self.arrive()
                found = result(*words, **named)
                return await found if inspect.isawaitable(found) else found

            return passing

        def waiting(*words: Any, **named: Any) -> Any:
            self.wait()
            return result(*words, **named)

        return waiting

    def replace(self, target: str, returns: Any = None) -> Callable[[], None]:
        """Replace the function ``"package.module.function"`` with this gate. Return a function that restores it.

        Raise `AttributeError` or `ImportError` if there's no such function.
        """
        owner, name = find(target)
        original = inspect.getattr_static(owner, name)
        setattr(owner, name, self.replacement(getattr(owner, name), returns))
        return lambda: setattr(owner, name, original)

    def _arrive(self, release: Callable[[], object]) -> bool:
        with self._changed:
            if not self._open:
                self._held.append(release)
                self._changed.notify_all()
                return True
        return False

    def _leave(self, release: Callable[[], object]) -> None:
        with self._changed:
            if release in self._held:
                self._held.remove(release)


class Upstream(Gate):
    """An HTTP server on loopback that holds its responses. The service under test calls it instead of the real server.

    ``url`` is its address. The response is ``returns`` as JSON; if ``returns`` is callable, it's called with the path.
    """

    def __init__(self, returns: Any = None) -> None:
        super().__init__()
        self.returns = returns if returns is not None else {"ok": True}
        self.paths: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, name="freeloop-upstream", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Release all requests and stop the server."""
        self.open()

        def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(end)
        self._thread.join()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            words, *lines = head.decode("latin-1").split("\r\n")
            lengths = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
            if lengths:
                await reader.readexactly(int(lengths[0]))
            path = words.split()[1]
            self.paths.append(path)
            await self.arrive()
            body = json.dumps(self.returns(path) if callable(self.returns) else self.returns).encode()
            start = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            writer.write(start.encode() + b"connection: close\r\n\r\n" + body)
            await writer.drain()
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has disconnected, or didn't send HTTP
        finally:
            writer.close()


def find(target: str) -> tuple[Any, str]:
    """Return (owner, name) for a dotted name, where ``getattr(owner, name)`` is its object.

    The longest importable part of the name is its module. Raise `ImportError` or `AttributeError` if there's no such object.
    """
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            owner: Any = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is not None and (module == error.name or module.startswith(error.name + ".")) and length > 1:
                continue
            raise
        for name in parts[length:-1]:
            owner = getattr(owner, name)
        getattr(owner, parts[-1])
        return owner, parts[-1]
    raise ImportError(f"{target!r} names no module: write package.module.function")


def calling_line(frame: Any) -> str:
    """Return ``file:line: code`` of the innermost frame outside the standard library, other libraries, and freeloop."""
    import linecache

    outermost = frame
    while frame is not None:
        file = frame.f_code.co_filename
        ours = frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE
        if not ours and not file.startswith((*_LIBRARIES, "<frozen")):
            break
        frame = frame.f_back
    frame = frame or outermost
    code = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}: {code}"
