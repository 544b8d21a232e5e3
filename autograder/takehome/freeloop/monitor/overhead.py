"""Measure what the monitor costs, by running the same app with it and without it.

Both servers run all the time, and short slices of load alternate between them, so other load on the machine affects both
alike. CPU seconds are those of the server's process, as Linux counts them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freeloop.findings import percentile
from freeloop.host import find_app

CONNECTIONS = 8  # kept alive, each with one request at a time
WARM_UP_S = 1.0  # s of load for each server before the measurement


@dataclass
class Cost:
    """The sums over one server's slices: requests, seconds of load, CPU seconds, and each request's latency in seconds."""

    requests: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    by_slice: list[tuple[float, float]] = field(default_factory=list)  # (requests a second, CPU seconds a request)


@dataclass(frozen=True)
class Overhead:
    """The difference between a server with the monitor and one without it. Ratios are medians over pairs of slices."""

    throughput_ratio: float
    cpu_ratio: float
    p99_difference_s: float
    requests: int

    def __str__(self) -> str:
        return (
            f"with the monitor / without: throughput {self.throughput_ratio:.3f}, CPU for each request {self.cpu_ratio:.3f}, "
            f"p99 {1000 * self.p99_difference_s:+.3f} ms ({self.requests} requests)"
        )


async def default_app(scope: Any, receive: Any, send: Any) -> None:
    """A small ASGI app. It does little, so the monitor's share of the time is as large as it gets."""
    if scope["type"] != "http":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(0)
    body = json.dumps({"items": [{"id": number, "name": f"item {number}"} for number in range(50)]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def measure(app: str, path: str, slices: int, slice_s: float, python: str = sys.executable) -> Overhead:
    """Return the overhead for ``app``, named as for uvicorn, with requests to ``path``.

    Raise `OSError` or `EOFError` if the app can't be served.
    """
    servers, ports = [], []
    try:
        for how in ("without", "with"):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                words = [python, "-m", "freeloop.monitor.overhead", app, how, str(listener.fileno())]
                servers.append(subprocess.Popen(words, pass_fds=[listener.fileno()], stdin=subprocess.PIPE))
                ports.append(listener.getsockname()[1])
        return asyncio.run(_measure(ports, [server.pid for server in servers], path, slices, slice_s))
    finally:
        for server in servers:
            server.kill()
            server.wait()


async def _measure(ports: list[int], pids: list[int], path: str, slices: int, slice_s: float) -> Overhead:
    costs = [Cost(), Cost()]
    for port in ports:
        await load_slice(port, path, WARM_UP_S, Cost(), None)
    for number in range(slices):
        for which in (0, 1) if number % 2 else (1, 0):
            await load_slice(ports[which], path, slice_s, costs[which], pids[which])
    pairs = list(zip(costs[1].by_slice, costs[0].by_slice, strict=True))
    return Overhead(
        percentile([new[0] / old[0] for new, old in pairs], 0.5),
        percentile([new[1] / old[1] for new, old in pairs if old[1]], 0.5),
        percentile(costs[1].latencies, 0.99) - percentile(costs[0].latencies, 0.99),
        costs[0].requests + costs[1].requests,
    )


async def load_slice(port: int, path: str, length_s: float, cost: Cost, pid: int | None) -> None:
    before, start, requests = _cpu(pid), time.perf_counter(), cost.requests
    end = start + length_s
    await asyncio.gather(*(_requests(port, path, end, cost) for _ in range(CONNECTIONS)))
    seconds, cpu, done = time.perf_counter() - start, _cpu(pid) - before, max(cost.requests - requests, 1)
    cost.seconds += seconds
    cost.cpu_s += cpu
    cost.by_slice.append((done / seconds, cpu / done))


async def _requests(port: int, path: str, end: float, cost: Cost) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    try:
        while time.perf_counter() < end:
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or b"0"))
            cost.latencies.append(time.perf_counter() - start)
            cost.requests += 1
    finally:
        writer.close()


def _cpu(pid: int | None) -> float:
    """Return the CPU seconds of a process's current threads so far, or 0.0 on systems other than Linux."""
    total = 0.0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return total
    return total


def serve(app: str, how: str, number: int) -> None:
    """Serve an app on an inherited socket: with the monitor if ``how`` is "with". ``number`` is the socket's file descriptor."""
    import uvicorn

    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    served = find_app(app, False)
    if how == "with":
        from freeloop.monitor.middleware import LoopMonitor

        served = LoopMonitor(served)
    uvicorn.run(served, fd=number, log_level="error", access_log=False, loop="asyncio")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
