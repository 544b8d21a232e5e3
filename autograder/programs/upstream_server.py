"""The process of the HTTP upstream; started by path by `autograder.services.upstream`."""

import asyncio
import hashlib
import hmac
import json
import os
import socket
import sys
import threading
from urllib.parse import parse_qs

import uvicorn

PARTS = 5  # of a slow body


class App:
    """The ASGI app: ``/items/{token}``; at will with ``wait`` seconds of latency, another ``status``, a body of more than ``size`` bytes,
    and a ``slow`` body: its parts come over so many seconds, after the head."""

    def __init__(self, secret):
        self.secret = secret
        self.parking = False
        self.held = []  # (token, event)

    def reply(self, token):
        digest = hmac.new(self.secret, token.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "big") % 1_000_000

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        path = scope["path"].split("/")
        query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()}
        if len(path) != 3 or path[1] != "items":
            return await answer(send, 404, {"detail": "there are only /items/{token}"})
        token = path[2]
        if self.parking:
            await self.hold(token, receive)
        else:
            await asyncio.sleep(float(query.get("wait", 0)))
        body = {"item": token, "price": self.reply(token)}
        if "size" in query:
            body["padding"] = "x" * min(int(query["size"]), 10_000_000)
        await answer(send, int(query.get("status", 200)), body, float(query.get("slow", 0)))

    async def hold(self, token, receive):
        gate = asyncio.Event()
        self.held.append((token, gate))
        tell(parked=token)
        gone = asyncio.create_task(disconnected(receive))
        waiting = asyncio.create_task(gate.wait())
        await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, waiting):
            task.cancel()
        if (token, gate) in self.held:  # whoever asked has hung up
            self.held.remove((token, gate))
            tell(left=token)

    def order(self, order):
        if order["op"] == "park":
            self.parking = True
            tell(parking=True)
        elif order["op"] == "release":
            tokens = order["tokens"]
            if tokens is None:
                self.parking = False
            going = [entry for entry in self.held if tokens is None or entry[0] in tokens]
            self.held = [entry for entry in self.held if entry not in going]
            for _, gate in going:
                gate.set()


async def disconnected(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(send, status, body, slow=0.0):
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    step = -(-len(data) // PARTS) if slow else len(data)
    for start in range(0, len(data), step):
        await asyncio.sleep(slow / PARTS)
        await send({"type": "http.response.body", "body": data[start : start + step], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def tell(**news):
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


def read_orders(loop, app):
    for line in sys.stdin:
        loop.call_soon_threadsafe(app.order, json.loads(line))
    os._exit(0)  # our owner is gone


async def main():
    app = App(bytes.fromhex(json.loads(sys.stdin.readline())["secret"]))
    threading.Thread(target=read_orders, args=(asyncio.get_running_loop(), app), daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        tell(port=sock.getsockname()[1])
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=60)
        await uvicorn.Server(config).serve(sockets=[sock])


def keep_private():
    """No process of our own user, an app say, may take our pipes from /proc; only Linux can be told so."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE


keep_private()
asyncio.run(main())
