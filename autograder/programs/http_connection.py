"""One HTTP/1.1 connection to a server of this machine: h11 over asyncio's streams.

A race sends many small requests on a CPU that it shares with the app; a client that can do everything costs five times
as much for each, and the app is measured beside it.  This one has no pool, no TLS, no redirects and no cookies.

This file runs in the racer's process, and imports nothing of ours.
"""

from __future__ import annotations

import asyncio
import json as notation
from urllib.parse import quote, urlsplit

import h11

AGENT = "python-httpx/0.28.1"  # an ordinary one: no app is to know a race by it
READ = 65_536  # bytes read at a time
AS_THEY_ARE = "/:?#[]@!$&'()*+,;=%~"  # what a path may contain; all else is percent-encoded


class Disconnected(Exception):
    """The server closed the connection before its answer was complete."""


class Connection:
    """A connection to ``base`` (a URL without a path), through the Unix socket at ``socket`` if there is one."""

    _http: h11.Connection
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def __init__(self, base: str, socket: str | None = None) -> None:
        parts = urlsplit(base)
        self._place = parts.hostname, parts.port
        self._host = parts.netloc
        self._socket = socket
        self._http = self._reader = self._writer = None  # type: ignore[assignment]

    async def open(self) -> None:
        """Connect, if that is not done.  Raises `OSError`."""
        if self._writer is not None:
            return
        if self._socket:
            self._reader, self._writer = await asyncio.open_unix_connection(self._socket)
        else:
            self._reader, self._writer = await asyncio.open_connection(*self._place)
        self._http = h11.Connection(h11.CLIENT)

    def close(self) -> None:
        """Close; the next request opens it anew."""
        if self._writer is not None:
            self._writer.close()
            self._http = self._reader = self._writer = None  # type: ignore[assignment]

    async def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, json: object = None, limit: int = 0
    ) -> tuple[int | None, bytes]:
        """Send a request and return (status, body): no more of the body is read than ``limit`` bytes, and a little.

        Raises `OSError`, `Disconnected`, or `ValueError` for what cannot be sent or is no HTTP.
        """
        whole = False
        try:
            await self.open()
            self._send(method, path, headers, json)
            await self._writer.drain()
            status, body = await self._answer(limit)
            whole = status is not None and self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
            return status, body
        except h11.ProtocolError as problem:
            raise ValueError(str(problem)) from None
        finally:
            if whole:
                self._http.start_next_cycle()
            else:
                self.close()  # nobody can know where in an answer it stands

    def _send(self, method: str, path: str, headers: dict[str, str] | None, body: object) -> None:
        data = b"" if body is None else notation.dumps(body, separators=(",", ":")).encode()
        fields = {"host": self._host, "accept": "*/*", "accept-encoding": "identity", "user-agent": AGENT}
        if body is not None:
            fields["content-type"] = "application/json"
        if data or method not in ("GET", "HEAD", "DELETE", "OPTIONS"):
            fields["content-length"] = str(len(data))
        fields |= {name.lower(): value for name, value in (headers or {}).items()}
        request = h11.Request(method=method.upper(), target=quote(path, safe=AS_THEY_ARE), headers=list(fields.items()))
        parts = [self._http.send(request), self._http.send(h11.Data(data)) if data else b""]
        self._writer.write(b"".join([*parts, self._http.send(h11.EndOfMessage())]))

    async def _answer(self, limit: int) -> tuple[int | None, bytes]:
        status, body = None, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(READ)
                if not data and self._http.their_state is not h11.SEND_BODY:
                    raise Disconnected("the server closed the connection without an answer")
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limit:
                    return status, bytes(body)
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body)
            elif not isinstance(event, h11.InformationalResponse):
                raise Disconnected("the server closed the connection without an answer")
