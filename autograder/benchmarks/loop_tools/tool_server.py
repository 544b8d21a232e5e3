"""Serves the suspects with one tool at work: ``python tool_server.py TOOL PORT``.

Writes a JSON object a line to stdout for each complaint of the tool, ``{"says": TEXT}``, and ``{"mark": N}`` when
``/mark?n=N`` is requested: what stands between two marks belongs to the requests between them.
"""

import asyncio
import json
import logging
import os
import sys
import threading
import time
import traceback
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

LIMIT_S = 0.1  # s from which a callback or a lag is too long, for each tool that has such a setting
OUT = os.dup(1)


def complain(says):
    """Write what a tool says."""
    os.write(OUT, json.dumps({"says": str(says)[-4000:]}).encode() + b"\n")


def around_requests(app, context):
    """Return the app with an asynchronous context around each request; what it raises is a complaint."""

    async def wrapped(scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/mark":
            number = parse_qs(scope["query_string"].decode())["n"][0]
            os.write(OUT, json.dumps({"mark": int(number)}).encode() + b"\n")
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["type"] != "http":
            await app(scope, receive, send)
        else:
            try:
                async with context():
                    await app(scope, receive, send)
            except Exception:
                complain(traceback.format_exc())

    return wrapped


@asynccontextmanager
async def nothing():
    yield


def debug(loop):
    """asyncio's debug mode, with its own threshold of 100 ms."""

    class Handler(logging.Handler):
        def emit(self, record):
            complain(record.getMessage())

    loop.set_debug(True)
    loop.slow_callback_duration = LIMIT_S
    logging.getLogger("asyncio").addHandler(Handler())


def heartbeat(loop):
    """A task that sleeps and measures how late it wakes up: what most monitors do."""

    async def beat():
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            if (late := time.perf_counter() - before - 0.01) > LIMIT_S:
                complain(f"the loop was {late:.3f} s late")

    loop.beat = loop.create_task(beat())


def aiocop(loop):
    """aiocop: audit events and slow callbacks."""
    import aiocop

    aiocop.patch_audit_functions()
    aiocop.start_blocking_io_detection(trace_depth=20)

    def told(event):
        if event.exceeded_threshold:
            complain(f"{event.reason} {event.elapsed_ms:.0f} ms {event.blocking_events}")

    aiocop.detect_slow_tasks(threshold_ms=1000 * LIMIT_S, on_slow_task=told)
    aiocop.activate()


def blockbuster(loop):
    """blockbuster: functions that are known to block raise on the loop."""
    from blockbuster import BlockBuster

    BlockBuster().activate()


def freeloop(loop):
    """freeloop's watchdog, with the same threshold."""
    sys.path.insert(0, os.environ["TAKEHOME"])
    from freeloop.core import loop_watchdog
    from freeloop.findings import block_of

    def told(**report):
        if report["event"] == "turn" and (block := block_of(report)).blocked_s > LIMIT_S:
            where = [f"{place['file']}:{place['line']}" for place in block.where[:1]]
            complain(f"blocked for {block.blocked_s:.3f} s at {where}")

    iterations = loop_watchdog.LoopIterations(told, os.path.dirname(os.path.abspath(__file__)))
    iterations.loop_thread = threading.get_ident()
    iterations.set_folder(os.path.dirname(os.path.abspath(__file__)))
    iterations.start()
    iterations.phase = "serving"
    loop_watchdog.attach(loop, iterations)


STARTS = {"debug": debug, "heartbeat": heartbeat, "aiocop": aiocop, "blockbuster": blockbuster, "freeloop": freeloop}


async def main(tool, port):
    """Serve until stdin closes."""
    import suspects
    import uvicorn

    context = nothing
    if tool == "pyleak":
        from pyleak import no_event_loop_blocking

        def context():
            return no_event_loop_blocking("raise", threshold=LIMIT_S)

    app = around_requests(suspects.app, context)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", access_log=False, lifespan="off"))
    if tool in STARTS:
        STARTS[tool](asyncio.get_running_loop())
    await server.serve()


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
