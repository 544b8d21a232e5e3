"""A small HTTP/1.1 client for loopback, which opens a connection for each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

BODY_LIMIT = 1_000_000  # bytes that are read of a response's body
_PATH_SAFE = "/:?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True)
class Response:
    """A response: its status, its headers (with lower-case names), and its body up to about `BODY_LIMIT` bytes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> object:
        """Return the parsed JSON body. Raise `ValueError` if it isn't JSON."""
        return json.loads(self.body)


async def send(
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    host: str = "127.0.0.1",
) -> Response:
    """Send one request to ``host``, by default this machine, and return the response.

    Raise `OSError` if the connection fails, and `ValueError` if the response isn't HTTP or ends before its status.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        lines = {"host": f"{host}:{port}", "accept": "*/*", "user-agent": "freeloop", "connection": "close"}
        if body is not None or method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
            lines["content-length"] = str(len(body or b""))
        lines.update({name.lower(): value for name, value in (headers or {}).items()})
        head = f"{method} {quote(path, safe=_PATH_SAFE)} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(head.encode("latin-1", "replace") + b"\r\n" + (body or b""))
        await writer.drain()
        return await _response(reader, method)
    finally:
        writer.close()


async def _response(reader: asyncio.StreamReader, method: str) -> Response:
    status, headers = await _head(reader)
    while status == 100 or 101 < status < 200:
        status, headers = await _head(reader)
    if method == "HEAD" or status in (204, 304):
        return Response(status, headers)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Response(status, headers, await _chunks(reader))
    length = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else None
    body = b""
    while len(body) < BODY_LIMIT and (length is None or len(body) < length):
        part = await reader.read(65_536)
        if not part:
            break
        body += part
    return Response(status, headers, body)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    line = await reader.readline()
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
        raise ValueError("the connection was closed without a response" if not line else "the response isn't HTTP")
    headers = {}
    while (line := await reader.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(parts[1]), headers


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < BODY_LIMIT:
        size = int((await reader.readline()).split(b";")[0] or b"0", 16)
        if not size:
            break
        body += (await reader.readexactly(size + 2))[:-2]
    return body
