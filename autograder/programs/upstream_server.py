"""An HTTP service that holds its replies until it gets an order to release them.

Started by path as ``python -I upstream_server.py LISTENER OWNERS``. Both are file descriptors: the listening socket ("-" to
open one), and the netlink socket that reports the owners of connections ("-" for none). The service has *rooms*, each with
its own prices and a gate that holds replies. ``GET /items/{token}`` calls the first room, ``GET /{room}/items/{token}``
another.

Orders come on stdin, one per line, the settings first, and news go out on stdout (`messages.upstream`). Orders hold and
release the replies of the first room. Other users of the machine can reach its port too, so it only serves the users that it has
orders to admit. The name of another room is a secret: a client that knows it can also control its gate over HTTP, with
``POST /{room}/gate/hold``, ``/release?count=1``, ``/open``, ``GET /{room}/gate/arrived`` and ``/gate/price/{token}``.

An app that only knows the address can't give orders. When stdin closes, the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.programs import connection_owner
    from autograder.programs.messages import decode, encode, upstream
    from autograder.programs.private import keep_private
else:  # started by path: the folder isn't a package
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import connection_owner
    from messages import decode, encode, upstream
    from private import keep_private

PARTS = 5  # parts of a slow body
PIECE = 64 << 10  # bytes of a body that are in memory at a time
MEMORY_LIMIT = 512 << 20  # bytes
HELD_LIMIT = 1000  # requests that one room holds; one beyond gets no reply until the gate opens, and isn't listed
TOKEN_LENGTH_LIMIT = 200  # characters
SIZE_LIMIT = 10_000_000  # bytes of padding
SECONDS_LIMIT = 3600.0  # s
REQUESTS_LIMIT = 2000  # requests at one time
NOT_FOUND = {"detail": "there are only /items/{token}"}
REFUSED = {"detail": "no price at the moment"}


class HeldReply(asyncio.Event):
    """Set when a held reply may be sent. It's an error if the call was ``refused``."""

    refused = False


class Room:
    """A gate and prices. ``held`` has (token, event) in order of arrival; ``send_news`` is called with each change of it."""

    def __init__(self, secret: bytes, send_news: Callable[[upstream.UpstreamNews], None] = lambda news: None) -> None:
        self.secret = secret
        self.send_news = send_news
        self.holding = False
        self.held: list[tuple[str, HeldReply]] = []
        self.unlisted: list[HeldReply] = []

    def price(self, token: str) -> int:
        """Return the price of a token: a number below one million."""
        digest = hmac.new(self.secret, token.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "big") % 1_000_000

    def open(self) -> None:
        """Release everything, and hold no more."""
        self.holding = False
        for gate in self.unlisted:
            gate.set()
        self.release(self.held)

    def refuse(self, entries: list[tuple[str, HeldReply]]) -> None:
        """Reply to these of the held entries with an error."""
        for _, gate in entries:
            gate.refused = True
        self.release(entries)

    def release(self, entries: list[tuple[str, HeldReply]]) -> None:
        """Release these of the held entries."""
        going = list(entries)
        self.held = [entry for entry in self.held if entry not in going]
        for _, gate in going:
            gate.set()

    async def hold(self, token: str, receive) -> bool:
        """Wait until the request for a token is released, or its client has disconnected. Return False if it's refused."""
        entry = (token, HeldReply())
        listed = len(self.held) < HELD_LIMIT
        if listed:
            self.held.append(entry)
            self.send_news(upstream.Held(token))
        else:
            self.unlisted.append(entry[1])
        gone, waiting = asyncio.create_task(disconnected(receive)), asyncio.create_task(entry[1].wait())
        await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, waiting):
            task.cancel()
        if not listed:
            self.unlisted.remove(entry[1])
        elif entry in self.held:
            self.held.remove(entry)
            self.send_news(upstream.Left(token))
        return not entry[1].refused


class App:
    """The ASGI app.

    The query of a request can set ``wait`` (seconds of latency), ``status``, ``size`` (bytes of padding in the body) and
    ``slow`` (seconds over which the parts of the body are sent).
    """

    def __init__(self, secret: bytes, users: Users) -> None:
        self.secret = secret
        self.users = users
        self.first = Room(secret, send_news)
        self.rooms: dict[str, Room] = {}
        self.connections: set[asyncio.Transport] = set()
        self.requests: set[asyncio.Task] = set()  # those that are being served
        self.renewing: asyncio.Task | None = None

    def order(self, order: upstream.UpstreamOrder) -> None:
        """Carry out an order of the owner."""
        if isinstance(order, upstream.EndConnections):
            self.renewing = asyncio.create_task(self.renew())
            return
        if isinstance(order, upstream.AdmitUsers):
            self.users.admitted = order.users
        elif isinstance(order, upstream.HoldReplies):
            self.first.holding = True
        elif isinstance(order, upstream.ReleaseReplies):
            if order.tokens is None:
                self.first.open()
            else:
                self.first.release([entry for entry in self.first.held if entry[0] in order.tokens])
        elif isinstance(order, upstream.RefuseCalls):
            self.first.refuse([entry for entry in self.first.held if entry[0] in order.tokens])
        elif isinstance(order, upstream.OpenRoom):
            self.rooms[order.name] = Room(hashlib.sha256(self.secret + order.name.encode()).digest())
        send_news(upstream.Done())

    async def renew(self) -> None:
        """End every connection and every request."""
        self.first.open()
        while self.connections or self.requests:
            for transport in list(self.connections):
                transport.abort()
            for request in list(self.requests):
                request.cancel()
            await asyncio.sleep(0.001)
        self.first = Room(self.secret, send_news)
        send_news(upstream.Done())

    async def __call__(self, scope: dict, receive, send) -> None:
        if scope["type"] != "http":
            return
        task = asyncio.current_task()
        assert task is not None
        self.requests.add(task)
        try:
            await self.serve(scope, receive, send)
        except asyncio.CancelledError:
            if self.renewing is None or self.renewing.done():
                raise
        finally:
            self.requests.discard(task)

    async def serve(self, scope: dict, receive, send) -> None:
        """Answer one request. It ends when the client disconnects."""
        path = scope["path"].split("/")[1:]
        query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        room = self.first
        if path[0] in self.rooms:
            room = self.rooms[path[0]]
            del path[0]
        if len(path) >= 2 and path[0] == "gate" and room is not self.first:
            return await answer(send, 200, gate_state(room, path[1:], query))
        if len(path) != 2 or path[0] != "items" or len(path[1]) > TOKEN_LENGTH_LIMIT:
            return await answer(send, 404, NOT_FOUND)
        token = path[1]
        room.send_news(upstream.Called(token))
        if room.holding:
            if not await room.hold(token, receive):
                return await answer(send, 503, REFUSED)
        elif not await pause(seconds(query, "wait"), receive):
            return
        body = {"item": token, "price": room.price(token)}
        status, slow = int(query.get("status", 200)), seconds(query, "slow")
        if "size" in query:
            body["padding"] = ""
            await answer(send, status, body, slow, receive, min(int(query["size"]), SIZE_LIMIT))
        else:
            await answer(send, status, body, slow, receive)


def gate_state(room: Room, words: list[str], query: dict[str, str]) -> int | list[str]:
    """Carry out a test's order to a room's gate. Return the price that it requests, or the tokens that are held."""
    if words[0] == "price" and len(words) == 2:
        return room.price(words[1])
    if words[0] == "hold":
        room.holding = True
    elif words[0] == "release":
        room.release(room.held[: int(query["count"])] if "count" in query else room.held)
    elif words[0] == "open":
        room.open()
    return [token for token, _ in room.held]


def seconds(query: dict[str, str], name: str) -> float:
    """Return a number of seconds from a query, 0.0 if it isn't there or "nan", which has no place in the loop's order of timers."""
    return min(max(0.0, float(query.get(name, 0))), SECONDS_LIMIT)


async def disconnected(receive) -> None:
    """Wait until the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def pause(seconds: float, receive) -> bool:
    """Wait for ``seconds``; return False early if the client disconnects."""
    if seconds <= 0:
        return True
    gone = asyncio.create_task(disconnected(receive))
    try:
        done, _ = await asyncio.wait([gone], timeout=seconds)
    finally:
        gone.cancel()
    return not done


async def answer(send, status: int, body: object, slow: float = 0.0, receive=None, padding: int = 0) -> None:
    """Send a JSON body, in parts over ``slow`` seconds if that isn't 0.

    ``padding`` bytes are added to the string at its end. They're never all in memory, because an app may request many large
    bodies and read none of them.
    """
    data = json.dumps(body).encode()
    head, tail = (data[:-2], data[-2:]) if padding > 0 else (data, b"")
    length = len(head) + max(padding, 0) + len(tail)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    step = -(-length // PARTS) if slow else length
    due = 0  # where the next part begins
    for start, end in pieces(length, step):
        if slow and start == due:
            due += step
            if not await pause(slow / PARTS, receive):
                return
        part = head[start:end] + b"x" * (min(end, length - len(tail)) - max(start, len(head)))
        if end > length - len(tail):
            part += tail[max(start - (length - len(tail)), 0) : end - (length - len(tail))]
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def pieces(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of pieces of at most `PIECE` bytes, none of which crosses a multiple of ``step``."""
    start = 0
    while start < length:
        end = min(start + PIECE, length, (start // step + 1) * step)
        yield start, end
        start = end


class Users:
    """The users of this machine that may connect, by their ids."""

    def __init__(self, netlink: socket.socket | None) -> None:
        self.netlink = netlink  # None if the system doesn't report the owner of a connection
        self.admitted: list[int] = []

    def admits(self, peer: tuple[str, int], ours: tuple[str, int]) -> bool:
        """Return True if the process at the address ``peer`` of a connection belongs to one of the users."""
        if self.netlink is None:
            return True
        return connection_owner.owner(self.netlink, peer, ours) in self.admitted


def guarded(users: Users, connections: set[asyncio.Transport]) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, extended to abort connections of other users and to keep open ones in ``connections``."""

    class Guarded(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            connections.add(transport)
            if not users.admits(transport.get_extra_info("peername"), transport.get_extra_info("sockname")):
                transport.abort()

        def connection_lost(self, problem: Exception | None) -> None:
            connections.discard(self.transport)
            super().connection_lost(problem)

    return Guarded


def send_news(news: upstream.UpstreamNews) -> None:
    """Write one message to the owner."""
    sys.stdout.write(encode(news) + "\n")
    sys.stdout.flush()


def read_orders(loop: asyncio.AbstractEventLoop, app: App) -> None:
    """Carry out orders until the owner ends."""
    for line in sys.stdin:
        order: upstream.UpstreamOrder = decode(line, *upstream.UPSTREAM_ORDERS)
        loop.call_soon_threadsafe(app.order, order)
    os._exit(0)


async def main(listener: str, owners: str) -> None:
    """Serve until stdin closes."""
    settings = decode(sys.stdin.readline(), upstream.UpstreamSettings)
    users = Users(None if owners == "-" else socket.socket(fileno=int(owners)))
    app = App(bytes.fromhex(settings.secret), users)
    threading.Thread(target=read_orders, args=(asyncio.get_running_loop(), app), daemon=True).start()
    with opened(listener) as sock:
        port = sock.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=60,
            http=guarded(users, app.connections), ws="none", limit_concurrency=REQUESTS_LIMIT,
        )  # fmt: skip
        send_news(upstream.Listening(port))
        await uvicorn.Server(config).serve(sockets=[sock])


def opened(listener: str) -> socket.socket:
    """Return the listening socket with this file descriptor, or a new one."""
    if listener == "-":
        return socket.create_server(("127.0.0.1", 0), backlog=1024)
    return socket.socket(fileno=int(listener))


def limit_memory() -> None:
    """Limit the memory of this process: requests fail, or the process ends and its owner starts another one."""
    if os.name == "posix":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(MEMORY_LIMIT, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    keep_private()
    limit_memory()
    asyncio.run(main(*sys.argv[1:]))
