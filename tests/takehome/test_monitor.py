"""The middleware for production: what it measures, what it reports, and what it exports."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from freeloop.core.loop_watchdog import Place
from freeloop.monitor import LoopMonitor, middleware, overhead, prometheus, recorder
from freeloop.monitor.histogram import Histogram
from freeloop.monitor.middleware import LABELS_MAX, LOGS_A_MINUTE
from freeloop.monitor.recorder import Lag, _Raw, split
from freeloop.testing import Request
from helpers import until

from autograder import paths

HERE = str(Path(__file__).parent)


def line(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, one in enumerate(lines, 1) if text in one and "line(" not in one)


def monitored(**more):
    """A monitored app with an endpoint that blocks and one that doesn't, and the blocks that it reports."""
    from fastapi import FastAPI

    app, blocks = FastAPI(), []

    @app.get("/blocks/{number}")
    async def endpoint(number: int):
        time.sleep(0.3)  # here: blocks

    @app.get("/awaits")
    async def awaits():
        await asyncio.sleep(0.01)

    @app.get("/threads")
    def threads():
        return {}

    monitor = LoopMonitor(app, folder=HERE, metrics_path="/metrics", on_block=blocks.append, **more)
    return monitor, blocks


@pytest.fixture
def service():
    """Serve a monitored app; the watchdog of `AppService` would watch as well, so its loop is a plain one here."""
    made = []

    def serve(monitor):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        def send(path):
            from freeloop.testing.services import call

            return asyncio.run_coroutine_threadsafe(call(monitor, Request("GET", path), {}), loop).result(60)

        made.append((monitor, loop, thread))
        return send

    yield serve
    for monitor, loop, thread in made:
        loop.call_soon_threadsafe(monitor.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def wait_until(condition):
    """Wait until the monitor's thread has reported; how long that takes doesn't matter."""
    while not condition():
        time.sleep(0.01)


def test_block_has_route_and_stack(service, monkeypatch):
    """Until it's sampled while it blocks: on a busy machine the sampler may get no CPU during a block."""
    monkeypatch.setattr(middleware, "LOG_INTERVAL_S", 0.0)
    monkeypatch.setattr(middleware, "LOGS_A_MINUTE", 10_000)
    monitor, blocks = monitored()
    send = service(monitor)
    where = f"{__file__}:{line('# here: blocks')}"
    number = 0
    while not any(block.line == where and block.stack for block in blocks):
        number += 1
        assert send(f"/blocks/{number}").status == 200
        wait_until(lambda: sum(monitor.blocks.values()) >= number)  # noqa: B023
    assert {route for route, _ in monitor.blocks} == {"GET /blocks/{number}"}
    block = next(block for block in blocks if block.line == where and block.stack)
    assert block.code == "time.sleep(0.3)" and block.seconds >= 0.25
    assert any(name == "endpoint" for _, _, name in block.stack)
    assert where in str(block) and "GET /blocks/{number} blocked the event loop" in str(block)


def test_endless_block_is_reported(service, monkeypatch):
    """A loop that may never come back is reported while it stands still, and counted once."""
    monkeypatch.setattr(recorder, "STUCK_MIN_S", 0.1)
    over = threading.Event()
    from fastapi import FastAPI

    app, blocks = FastAPI(), []

    @app.get("/stuck")
    async def stuck():
        over.wait(60)  # here: stuck

    monitor = LoopMonitor(app, budget="10ms", folder=HERE, on_block=blocks.append)
    send = service(monitor)
    sender = threading.Thread(target=send, args=("/stuck",))
    sender.start()
    try:
        wait_until(lambda: blocks)
        assert blocks[0].running and blocks[0].route == "GET /stuck" and "so far" in str(blocks[0])
        assert blocks[0].line.endswith(f":{line('here: stuck')}")
        assert not sum(monitor.blocks.values()), "it's counted when it's over"
    finally:
        over.set()
        sender.join()
    wait_until(lambda: monitor.blocks)
    assert list(monitor.blocks.values()) == [1]


def test_explicit_collection_blocks():
    """The app's own gc.collect() is a block with its line; an automatic collection is counted apart."""
    place = Place("shop.py", 7, 7, "gc.collect()", "work", collection="explicit")
    for collection, blocked, gc in (("explicit", 0.3, 0.0), ("automatic", 0.1, 0.2)):
        samples = {place._replace(collection=collection): 0.2}
        lag = split(_Raw(0.0, 0.3, 0.0, 0.2, samples, None, ()), (0.0, 0.0))
        assert (lag.seconds["blocked"], lag.seconds["gc"]) == pytest.approx((blocked, gc))
        assert bool(lag.places) is (collection == "explicit")


def test_awaiting_app_is_not_reported(service):
    """An app that awaits is never reported as blocked."""
    monitor, blocks = monitored()
    send = service(monitor)
    for _ in range(20):
        send("/awaits")
    wait_until(lambda: monitor.recorder.histograms["blocked"].count >= 20)
    assert not blocks and not monitor.blocks


def test_metrics_are_valid_prometheus_text(service):
    """Parsed by Prometheus' own client, and the same as what its collector says."""
    parser = pytest.importorskip("prometheus_client.parser")
    from prometheus_client import CollectorRegistry, generate_latest

    monitor, _ = monitored()
    send = service(monitor)
    send("/threads")
    send("/blocks/1")
    wait_until(lambda: monitor.blocks)
    families = {family.name: family for family in parser.text_string_to_metric_families(send("/metrics").text)}
    lag = {
        sample.labels["kind"]: sample.value
        for sample in families["freeloop_loop_lag_seconds"].samples
        if sample.name.endswith("_sum")
    }
    assert lag["blocked"] >= 0.25 and set(lag) == {"blocked", "cpu_wait", "gc", "suspended"}
    pools = {(s.labels["pool"], s.labels["state"]): s.value for s in families["freeloop_thread_pool"].samples}
    assert pools["anyio", "total"] == 40
    (count,) = families["freeloop_blocks"].samples
    assert count.value == 1 and count.labels["route"] == "GET /blocks/{number}"
    registry = CollectorRegistry()
    registry.register(prometheus.Collector(monitor))
    collected = {
        family.name: family for family in parser.text_string_to_metric_families(generate_latest(registry).decode())
    }
    assert set(families) == set(collected)
    assert [s.labels for s in collected["freeloop_blocks"].samples if s.name.endswith("_total")] == [count.labels]


def test_opentelemetry_gets_lags_and_pools(service):
    """With a meter that keeps what it's given: only the API is installed here, not an SDK."""
    pytest.importorskip("opentelemetry.metrics")
    from freeloop.monitor.opentelemetry import instrument
    from opentelemetry.metrics import NoOpMeter

    recorded, observed = [], {}

    class Recording(NoOpMeter):
        def create_histogram(self, name, unit="", description="", **more):
            histogram = super().create_histogram(name, unit, description)
            histogram.record = lambda amount, attributes: recorded.append((name, amount, attributes))
            return histogram

        def create_observable_gauge(self, name, callbacks=None, unit="", description=""):
            observed[name] = callbacks
            return super().create_observable_gauge(name, callbacks, unit, description)

        def create_observable_counter(self, name, callbacks=None, unit="", description=""):
            observed[name] = callbacks
            return super().create_observable_counter(name, callbacks, unit, description)

    monitor, _ = monitored()
    instrument(monitor, Recording("test"))
    service(monitor)("/blocks/1")
    wait_until(lambda: monitor.blocks)
    assert any(
        name == "freeloop.loop.lag" and amount >= 0.25 and tags["kind"] == "blocked" for name, amount, tags in recorded
    )
    (block,) = [one for callback in observed["freeloop.blocks"] for one in callback(None)]
    assert block.value == 1 and block.attributes["route"] == "GET /blocks/{number}"
    pools = [one for callback in observed["freeloop.thread_pool"] for one in callback(None)]
    assert {"pool": "anyio", "state": "total"} in [one.attributes for one in pools]


def lag(seconds, number=1):
    place = Place("/srv/shop.py", number, number, "f()", "f")
    return Lag(0.0, seconds, {"blocked": seconds}, ((place, seconds),))


def test_reports_are_rate_limited():
    """One a line and minute, few a minute of all lines, and the number that was left out."""
    blocks = []
    monitor = LoopMonitor(None, on_block=blocks.append)
    for _ in range(5):
        monitor._lag(lag(1.0))
    assert len(blocks) == 1 and monitor._suppressed == 4
    monitor._lag(lag(1.0, 2))
    assert blocks[1].suppressed == 4
    for number in range(3, 1000):
        monitor._lag(lag(1.0, number))
    assert len(blocks) == LOGS_A_MINUTE
    assert len(monitor.blocks) <= LABELS_MAX + 1, "metrics have a bounded number of labels"
    assert sum(monitor.blocks.values()) == 5 + 998
    monitor._lag(lag(0.05, 5000))
    assert sum(monitor.blocks.values()) == 5 + 998, "within the budget"


def raw(**more):
    from collections import Counter

    return _Raw(
        **{
            "start": 1.0,
            "end": 2.0,
            "waited": 0.0,
            "collected": 0.0,
            "samples": Counter(),
            "task": None,
            "stack": (),
            **more,
        }
    )


def test_iteration_is_split_by_kind():
    assert split(raw(), (0.0, 0.0)).seconds == {"blocked": 1.0, "cpu_wait": 0.0, "gc": 0.0, "suspended": 0.0}
    found = split(raw(waited=0.25, collected=0.125), (1.5, 1.75)).seconds
    assert found == {"blocked": 0.375, "cpu_wait": 0.25, "gc": 0.125, "suspended": 0.25}
    assert split(raw(waited=9.0), (0.5, 3.0)).seconds["blocked"] == 0.0
    assert split(raw(waited=9.0), (5.0, 6.0)).seconds == {"blocked": 0.0, "cpu_wait": 1.0, "gc": 0.0, "suspended": 0.0}


CLOCK = """
import sys, threading, time
from freeloop.monitor.recorder import SuspensionClock
clock, found = SuspensionClock(), []
def watch():
    while True:
        found.append(clock.tick())
def main():
    global clock
    clock = SuspensionClock()
    print("ready", flush=True)
    while True:
        start, end = clock.tick()
        if end > start:
            print(end - start, flush=True)
            return
if sys.argv[1] == "stopped":
    main()
else:
    done = threading.Event()
    def look():
        clock = SuspensionClock()
        ticks = [clock.tick() for _ in range(12)]
        print(sum(end - start for start, end in ticks), flush=True)
        done.set()
    threading.Thread(target=look).start()
    while not done.is_set():
        sorted(range(12_000_000), key=lambda n: -n) if False else list(map(int, [1] * 20_000_000)).sort()
"""


def state(pid):
    """The letter by which Linux names what a process does: "T" for one that is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.linux
def test_stopped_process_is_suspended():
    environment = {**os.environ, "PYTHONPATH": str(paths.TAKEHOME)}
    child = subprocess.Popen(
        [sys.executable, "-c", CLOCK, "stopped"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        for _ in range(10):  # one that strikes between two ticks isn't seen
            child.send_signal(signal.SIGSTOP)
            until(lambda: state(child.pid) == "T")
            time.sleep(0.5)
            child.send_signal(signal.SIGCONT)
            if select.select([child.stdout], [], [], 5)[0]:
                break
        assert float(child.stdout.readline()) >= 0.4
    finally:
        child.kill()
        child.wait()


@pytest.mark.linux
def test_held_gil_is_no_suspension():
    """A thread that waits for the GIL wakes up late as well, and it isn't the machine's fault."""
    environment = {**os.environ, "PYTHONPATH": str(paths.TAKEHOME)}
    done = subprocess.run([sys.executable, "-c", CLOCK, "gil"], env=environment, capture_output=True, text=True)
    assert float(done.stdout) == 0.0, done.stderr


def test_histogram_is_cumulative():
    histogram = Histogram()
    for seconds in (0.0005, 0.001, 0.03, 99.0):
        histogram.add(seconds)
    histogram.add(0.0005, 6)
    found = dict(histogram.cumulative())
    assert (
        found["0.001"] == 8
        and found["0.025"] == 8
        and found["0.05"] == 9
        and found["10.0"] == 9
        and found["+Inf"] == 10
    )
    assert histogram.count == 10


def test_websockets_and_lifespan_pass(service):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    monitor = LoopMonitor(app)
    loop = asyncio.new_event_loop()
    for kind in ("lifespan", "websocket"):
        loop.run_until_complete(monitor({"type": kind}, None, None))
    loop.run_until_complete(asyncio.sleep(0))
    monitor.stop()
    assert seen == ["lifespan", "websocket"] and "select" not in vars(loop._selector)
    loop.close()


@pytest.mark.long
def test_overhead_compares_two_servers(monkeypatch):
    """How large it is, the machine decides; that both servers were measured, and the ratio is of the two, is asserted."""
    monkeypatch.setenv("PYTHONPATH", str(paths.TAKEHOME))
    found = overhead.measure("freeloop.monitor.overhead:default_app", "/", slices=2, slice_s=0.2)
    assert found.requests > 4 and found.throughput_ratio > 0 and "p99" in str(found)
    assert found.cpu_ratio > 0.0
