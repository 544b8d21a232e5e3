"""Carries bytes from one door to another: a TCP port of this machine on one side, a Unix socket on the other.

A test that is locked in has no network but these.  Used on both sides of the wall, so it knows nothing of the package.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading


class PortForward:
    """Forwards what comes in, in a thread of its own; `stop` ends it.

    ``listen`` is a path or 0 for any free port, which is then ``port``; ``to`` is a path or a port.
    """

    def __init__(self, listen: str | int, to: str | int) -> None:
        self.port: int | None = None
        self._listen, self._to = listen, to
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Stop forwarding and end the thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._open())
            self._ready.set()
            self._loop.run_forever()
        finally:
            self._ready.set()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            with contextlib.suppress(RuntimeError):
                self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _open(self) -> None:
        if self._listen == 0:
            server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
        else:
            await asyncio.start_unix_server(self._carry, self._listen)  # type: ignore[arg-type]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self._to, int):
                there = await asyncio.open_connection("127.0.0.1", self._to)
            else:
                there = await asyncio.open_unix_connection(self._to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
