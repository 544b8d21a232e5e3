"""The supplier of judged tests, in a process of its own: it holds its replies for as long as a test tells it to.

Started by path by `autograder.judge.tasks.test_runner`.  Every app has a room of its own, ``/<room>/items/<token>``, and its
test opens and closes the gate in front of that room: ``POST /<room>/gate/hold``, ``/release?count=1``, ``/open``,
``GET /<room>/gate/arrived`` and ``/price/<token>``.  The names of rooms are random, so nobody finds another's.
"""

import asyncio
import hashlib
import json
import os
import socket
import sys
import threading
from collections import defaultdict
from urllib.parse import parse_qs

import uvicorn

MOST = 1000  # questions that one room holds; a test that asks more gets no reply


class Room:
    """One app's gate: ``held`` are (token, event) in the order of arrival."""

    def __init__(self):
        self.holding = False
        self.held = []

    def release(self, count=None):
        going, self.held = self.held[:count], self.held[len(self.held) if count is None else count :]
        for _, gate in going:
            gate.set()


rooms: defaultdict[str, Room] = defaultdict(Room)
secret = os.urandom(16)


def price(token):
    return int.from_bytes(hashlib.blake2b(token.encode(), key=secret, digest_size=8).digest(), "big") % 1_000_000


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"].split("/")[1:]
    if len(path) < 3:
        return await answer(send, 404, {"detail": "there is nothing here"})
    room, (kind, what) = rooms[path[0]], path[1:3]
    if kind == "items":
        if room.holding:
            await hold(room, what, receive)
        return await answer(send, 200, {"item": what, "price": price(what)})
    if kind != "gate":
        return await answer(send, 404, {"detail": "there is nothing here"})
    if what == "hold":
        room.holding = True
    elif what == "release":
        counts = parse_qs(scope["query_string"].decode()).get("count")
        room.release(int(counts[0]) if counts else None)
    elif what == "open":
        room.holding = False
        room.release()
    elif what == "price":
        return await answer(send, 200, price(path[3]))
    await answer(send, 200, [token for token, _ in room.held])


async def hold(room, token, receive):
    """Wait until the question is released, or until whoever asked has hung up."""
    gate = asyncio.Event()
    if len(room.held) < MOST:
        room.held.append((token, gate))
    gone, waiting = asyncio.create_task(hung_up(receive)), asyncio.create_task(gate.wait())
    await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (gone, waiting):
        task.cancel()
    room.held = [entry for entry in room.held if entry[1] is not gate]


async def hung_up(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(send, status, body):
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def end_with_owner():
    sys.stdin.read()
    os._exit(0)


async def main():
    threading.Thread(target=end_with_owner, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        print(sock.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=60)
        await uvicorn.Server(config).serve(sockets=[sock])


asyncio.run(main())
