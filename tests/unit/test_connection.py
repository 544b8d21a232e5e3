"""The load generator's connection reports what a server does to it, and is ready for the next request."""

import asyncio
import contextlib

import pytest

from autograder.programs.http_connection import Connection, Disconnected

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@contextlib.asynccontextmanager
async def server(*answers):
    """Run a server that sends one of these replies per connection; None closes it. Yield (URL, requests)."""
    left, seen = list(answers), []

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"content-length" in line), 0)
                seen.append(head + await reader.readexactly(size))
                answer = left.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", seen


async def test_a_connection_is_used_again():
    async with server(OK, OK) as (url, seen):
        connection = Connection(url)
        for _ in range(2):
            assert await connection.request("GET", "/tea", limit=10) == (200, b"hi")
        connection.close()
        assert len(seen) == 2 and seen[0].startswith(b"GET /tea HTTP/1.1\r\nhost: 127.0.0.1:")


async def test_what_is_sent():
    async with server(OK, OK) as (url, seen):
        connection = Connection(url)
        await connection.request("POST", "/é?a=b c&d=%41", {"X-Who": "me"}, {"n": 1}, limit=10)
        await connection.request("post", "/", limit=10)
        connection.close()
    assert b"POST /%C3%A9?a=b%20c&d=%41 " in seen[0]
    assert b"\r\nx-who: me\r\n" in seen[0] and b"content-type: application/json" in seen[0]
    assert seen[0].endswith(b'\r\n\r\n{"n":1}')
    assert seen[1].startswith(b"POST / ") and b"content-length: 0" in seen[1]


async def test_chunked_and_unsized_responses_work():
    """Responses that are chunked, follow an early hint or have no length are read completely."""
    pieces = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nho!\r\n0\r\n\r\n"
    async with server(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, pieces) as (url, _):
        connection = Connection(url)
        assert await connection.request("GET", "/", limit=10) == (200, b"hi")
        assert await connection.request("GET", "/", limit=10) == (200, b"hiho!")
        connection.close()
    async with server(b"HTTP/1.0 200 OK\r\n\r\nto the end") as (url, _):
        assert await Connection(url).request("GET", "/", limit=20) == (200, b"to the end")


async def test_response_beyond_limit_is_dropped():
    """No more is read than the limit, and the next request doesn't get the rest."""
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 100_000
    async with server(endless, OK) as (url, _):
        connection = Connection(url)
        status, body = await connection.request("GET", "/", limit=1000)
        assert status == 200 and 1000 < len(body) <= 100_000
        assert await connection.request("GET", "/", limit=10) == (200, b"hi")
        connection.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, Disconnected),
        (b"HTTP/1.1 200 OK\r\ncontent-le", Disconnected),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi", ValueError),
        (b"tea\r\n\r\n", ValueError),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: tea\r\n\r\n", ValueError),
    ],
)
async def test_invalid_response_ends_the_connection(answer, error):
    """An invalid response is an error, and the next request has a new connection."""
    async with server(answer) as (url, _):
        connection = Connection(url)
        with pytest.raises(error):
            async with asyncio.timeout(20):
                await connection.request("GET", "/", limit=10)
        connection.close()
    async with server(OK) as (url, _):
        connection = Connection(url)
        assert await connection.request("GET", "/", limit=10) == (200, b"hi")
        connection.close()


async def test_missing_server_raises():
    async with server() as (url, _):
        pass
    with pytest.raises(OSError):
        await Connection(url).request("GET", "/", limit=10)
