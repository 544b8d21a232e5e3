"""One HTTP/1.1 connection to a server on this machine: h11 over asyncio streams.

A race sends many small requests on a CPU that it shares with the app that is measured. A full-featured client needs five
times as much CPU time per request. This one has no pool, TLS, redirects or cookies.

It runs in the load generator's process, and imports nothing else of the package.
"""

from __future__ import annotations

import asyncio
import json as notation
from urllib.parse import quote, urlsplit

import h11

AGENT = "python-httpx/0.28.1"  # a common one, so that no app can recognise a race by it
READ = 65_536  # bytes read at a time
AS_THEY_ARE = "/:?#[]@!$&'()*+,;=%~"  # characters of a path that aren't percent-encoded


class Disconnected(Exception):
    """The server closed the connection before its response was complete."""


class Connection:
    """A connection to ``base`` (a URL without a path), through the Unix socket at ``socket`` if there is one."""

    _http: h11.Connection  # `open` sets these three
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def __init__(self, base: str, socket: str | None = None) -> None:
        parts = urlsplit(base)
        self._place = parts.hostname, parts.port
        self._host = parts.netloc
        self._socket = socket
        self._is_open = False

    async def open(self) -> None:
        """Connect, unless it's connected already. Raises `OSError`."""
        if self._is_open:
            return
        if self._socket:
            self._reader, self._writer = await asyncio.open_unix_connection(self._socket)
        else:
            self._reader, self._writer = await asyncio.open_connection(*self._place)
        self._http = h11.Connection(h11.CLIENT)
        self._is_open = True

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        if self._is_open:
            self._writer.close()
            self._is_open = False

    async def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, json: object = None, limit: int = 0
    ) -> tuple[int | None, bytes]:
        """Send a request and return (status, body). Reading stops soon after ``limit`` bytes of the body.

        Raises `OSError`, `Disconnected`, or `ValueError` for a request that can't be sent or a response that isn't HTTP.
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
                self.close()  # part of a response may still be unread

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
