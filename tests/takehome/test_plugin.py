"""The pytest plugin: proofs that requests overlap and that the loop stays free, against apps whose behaviour is known."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI, HTTPException
from freeloop.findings import Block
from freeloop.pytest_plugin import FreeLoop
from freeloop.testing import LoopBlocked, NotConcurrent, Request, RequestFailed, Unproved, gates, proofs, services
from freeloop.testing.services import UrlService
from selection import ONE_IN, chosen

from autograder import paths
from autograder.benchmarks import proof_runs

HIDDEN = proof_runs.HIDDEN


@pytest.fixture
def free_loop():
    """The plugin's fixture with a patience of only two seconds, because failing proofs are tested too."""
    made = FreeLoop(paths.ROOT, budget_s=0.05, patience_s=2.0)
    yield made
    made.close()


def line(text):
    """The number of the one line of this file that has the text and the comment ``# here``."""
    lines = open(__file__).read().splitlines()
    return next(number for number, one in enumerate(lines, 1) if text in one and "# here" in one and "line(" not in one)


def fetch(token):
    """What the apps below call; tests replace it by a gate."""
    raise AssertionError("not replaced")


async def fetch_async(token):
    """The same as a coroutine."""
    raise AssertionError("not replaced")


app = FastAPI()
lock, pool = asyncio.Lock(), ThreadPoolExecutor(8)


@app.get("/awaits/{token}")
async def awaits(token: str):
    return await fetch_async(token)


@app.get("/threads/{token}")
def threads(token: str):
    return fetch(token)


@app.get("/offloads/{token}")
async def offloads(token: str):
    return await asyncio.to_thread(fetch, token)


@app.get("/blocks/{token}")
async def blocks(token: str):
    return fetch(token)  # here: blocks


@app.get("/locks/{token}")
async def locks(token: str):
    async with lock:  # here: locks
        return await fetch_async(token)


@app.get("/result/{token}")
async def result(token: str):
    return pool.submit(fetch, token).result()  # here: result


@app.get("/partly/{token}")
async def partly(token: str):
    found = await fetch_async(token)
    time.sleep(0.2)  # here: partly
    return found


@app.get("/computes")
async def computes():
    end = time.thread_time() + 0.2
    while time.thread_time() < end:  # here: computes
        pass


@app.get("/fails")
async def fails():
    raise HTTPException(418, "a teapot")


@app.get("/cached")
async def cached():
    return 1


@app.post("/orders")
async def orders(order: dict):
    return {"item": await fetch_async(order["item"])}


PATCH = f"{__name__}.fetch_async"


@pytest.mark.parametrize("path, target", [("/awaits", "fetch_async"), ("/threads", "fetch"), ("/offloads", "fetch")])
def test_concurrent_requests_are_proved(free_loop, path, target):
    """Four requests are at the gate at the same time, and each gets its own response."""
    gate = free_loop.patch(f"{__name__}.{target}", returns=lambda token: {"token": token})

    def check(request, reply):
        assert reply.json() == {"token": request.path.rpartition("/")[2]}

    replies = free_loop.app(app).overlaps([f"{path}/{token}" for token in "abcd"], gate, check=check)
    assert [reply.status for reply in replies] == [200] * 4


@pytest.mark.parametrize(
    "path, target, error, words",
    [
        ("/blocks/a", "fetch", LoopBlocked, "waits on the thread of the event loop"),
        ("/result/a", "fetch", LoopBlocked, "blocked the event loop for"),
        ("/locks/a", "fetch_async", NotConcurrent, "Only 1 of 4"),
        ("/partly/a", "fetch_async", LoopBlocked, "blocked the event loop for"),
    ],
)
def test_failure_names_the_line(free_loop, path, target, error, words):
    gate = free_loop.patch(f"{__name__}.{target}", returns={})
    with pytest.raises(error, match=words) as caught:
        free_loop.app(app).overlaps(path, gate)
    name = path.split("/")[1]
    assert f"test_plugin.py:{line('# here: ' + name)}" in str(caught.value)


def test_excess_threads_are_not_concurrent(free_loop):
    """Forty threads serve ``def`` endpoints: of fifty requests, forty reach the gate."""
    gate = free_loop.patch(f"{__name__}.fetch", returns={})
    with pytest.raises(NotConcurrent, match="Only 40 of 50"):
        free_loop.app(app).overlaps("/threads/a", gate, n=50)


def test_computing_is_no_free_loop(free_loop):
    with pytest.raises(LoopBlocked) as caught:
        free_loop.app(app).stays_free("/computes")
    assert f"test_plugin.py:{line('# here: computes')}" in str(caught.value)
    assert len(free_loop.app(app).stays_free("/computes", budget="60s")) == 4, "a budget is a budget"


def test_requests_that_fail_prove_nothing(free_loop):
    service = free_loop.app(app)
    with pytest.raises(RequestFailed, match="GET /fails: 418\n.*teapot"):
        service.stays_free("/fails")
    with pytest.raises(RequestFailed, match="GET /nowhere: 404"):
        service.overlaps("/nowhere", free_loop.gate())
    with pytest.raises(RequestFailed, match="AssertionError: not replaced"):
        service.stays_free("/blocks/a")


def test_request_past_gate_is_noticed(free_loop):
    """A request that is answered while the gate is closed proves nothing, and the message says so."""
    with pytest.raises(NotConcurrent, match="was answered \\(200\\) while the gate was closed"):
        free_loop.app(app).overlaps("/cached", free_loop.gate())


def test_body_is_sent(free_loop):
    gate = free_loop.patch(PATCH, returns=lambda item: item)
    requests = [Request("POST", "/orders", json={"item": item}) for item in ("hat", "cup")]
    replies = free_loop.app(app).overlaps(requests, gate)
    assert [reply.json() for reply in replies] == [{"item": "hat"}, {"item": "cup"}]


def test_patch_is_undone():
    made = FreeLoop(paths.ROOT, 0.05, 1.0)
    made.patch(PATCH)
    assert fetch_async.__name__ == "passing"
    made.close()
    assert fetch_async.__name__ == "fetch_async"
    with pytest.raises(AttributeError):
        made.patch(f"{__name__}.no_such_function")
    with pytest.raises(ModuleNotFoundError):
        made.patch("no_such_package.f")


def test_lifespan_is_run(free_loop):
    events = []

    async def plain(scope, receive, send):
        assert scope["type"] == "lifespan"
        for step in ("startup", "shutdown"):
            events.append((await receive())["type"])
            await send({"type": f"lifespan.{step}.complete"})

    free_loop.app(plain)
    free_loop.close()
    assert events == ["lifespan.startup", "lifespan.shutdown"]

    async def broken(scope, receive, send):
        await receive()
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"):
        free_loop.app(broken)


def test_nothing_is_left_behind():
    """Threads and callbacks of the garbage collector end with the test."""
    import gc

    made = FreeLoop(paths.ROOT, 0.05, 1.0)
    callbacks = len(gc.callbacks)
    made.app(app)
    made.upstream()
    made.close()
    assert len(gc.callbacks) == callbacks
    left = [thread for thread in threading.enumerate() if thread.name.startswith("freeloop-")]
    for thread in left:
        thread.join(30)
        assert not thread.is_alive(), thread.name


def test_pending_requests_end_with_service(monkeypatch, caplog):
    """A service that's stopped while a request waits ends it, even if that takes a while: asyncio has no task to complain about."""
    closed, begun = [], threading.Semaphore(0)

    async def send(*_):
        begun.release()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)  # as closing a connection does
            closed.append(True)

    monkeypatch.setattr(services.http_client, "send", send)
    service = UrlService("http://127.0.0.1:1", "/x")
    sent = service.send(Request("GET", "/"))
    service.canary()
    assert begun.acquire(timeout=60) and begun.acquire(timeout=60)
    service.stop()
    assert sent.cancelled() and closed == [True, True]
    gc.collect()
    assert "destroyed" not in caplog.text


def test_only_loopback_is_called(free_loop):
    with pytest.raises(ValueError, match="127.0.0.1 or localhost"):
        free_loop.url("http://example.com", canary="/")


def files(folder):
    """The apps of a folder, or a part of them if the run tests only a part of the catalogue."""
    return chosen(proof_runs.apps(folder), stem, min(ONE_IN, 4))


def stem(file):
    return file.stem


@pytest.mark.long
@pytest.mark.parametrize("file", files("blocking"), ids=stem)
def test_hidden_blocking_app_is_caught(free_loop, file, tmp_path):
    """Exercise 12's apps, which no learner sees; one of them serves all requests, and mixes their responses up."""
    with pytest.raises(AssertionError) as caught:
        proof_runs.overlap(*proof_runs.serve(free_loop, file, tmp_path))
    if file.stem in ("await_then_block", "in_a_dependency", "in_a_helper", "in_the_endpoint", "result_on_the_loop"):
        assert isinstance(caught.value, LoopBlocked) and "quotes.py:" in str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize("file", files("honest"), ids=stem)
def test_hidden_correct_app_passes(free_loop, file, tmp_path):
    assert len(proof_runs.overlap(*proof_runs.serve(free_loop, file, tmp_path))) == 4


@pytest.mark.long
def test_bench_counts_wrong_results(monkeypatch, capsys):
    """The bench counts a proof of a correct app that fails, and one of a blocking app that passes. Here the apps are swapped."""
    swapped = {
        "honest": [proof_runs.HIDDEN / "blocking" / "in_the_endpoint.py"],
        "blocking": proof_runs.apps("honest")[:1],
    }
    monkeypatch.setattr(proof_runs, "apps", swapped.__getitem__)
    assert proof_runs.main(runs=1, with_hogs=0, misses_of=1) == 1
    out = capsys.readouterr().out
    assert "1 false alarms in 1 proofs" in out and "1 misses in 1 proofs" in out
    assert f"1 × {swapped['honest'][0].stem}: " in out and f"1 × {swapped['blocking'][0].stem}" in out


@pytest.mark.heavy
@pytest.mark.long
def test_running_server_can_be_tested(free_loop, tmp_path):
    """Nothing is seen of its loop, so only the rendezvous and the canary speak, and no line is named."""
    (tmp_path / "quotes.py").write_text((HIDDEN / "honest" / "shared_client.py").read_text())
    (tmp_path / "wrong.py").write_text((HIDDEN / "blocking" / "in_a_helper.py").read_text())
    upstream = free_loop.upstream(returns={"price": 1})
    tested = {}
    for name in ("quotes", "wrong"):
        served = free_loop.serve(f"{name}:app", env={"UPSTREAM_URL": upstream.url}, folder=tmp_path)
        tested[name] = free_loop.url(served.url, canary="/health")
    assert len(tested["quotes"].overlaps("/quotes/a", upstream)) == 4
    with pytest.raises(LoopBlocked, match="no canary was answered"):
        tested["wrong"].overlaps("/quotes/a", upstream)
    with pytest.raises(ValueError, match="can't be observed"):
        tested["quotes"].stays_free("/health")


TEST = """
def test_reports_overlap(free_loop):
    from shop.main import app
    gate = free_loop.patch("shop.main.load_rows", returns=[])
    free_loop.app(app).overlaps("/reports/7", gate)


def test_loop_stays_free(free_loop):
    free_loop.serve("shop.main:app", env_file=".env").stays_free("/reports/7", n=2)
"""


@pytest.mark.long
def test_plugin_fails_then_passes(project):
    """In a project of its own, loaded as a plugin: red with the blocking endpoint, green once it's fixed."""
    (project / "test_shop.py").write_text(TEST)
    environment = {**os.environ, "PYTHONPATH": f"{paths.TAKEHOME}{os.pathsep}{project}", "SHOP_NAME": "x"}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "freeloop.pytest_plugin", "--rootdir", str(project)]

    def run():
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    before = run()
    assert before.returncode == 1 and "2 failed" in before.stdout, before.stdout
    assert "shop/main.py:" in before.stdout and "return load_rows(month)" in before.stdout
    assert "shop/reports/monthly.py:5: time.sleep(0.25)" in before.stdout
    main = project / "shop/main.py"
    main.write_text(main.read_text().replace("async def report", "def report"))
    after = run()
    assert after.returncode == 0 and "2 passed" in after.stdout, after.stdout


def test_calling_line_skips_libraries():
    """The line that calls is the innermost one outside of installed libraries."""
    import json

    class Call(json.JSONEncoder):
        def default(self, value):
            return gates.calling_line(sys._getframe())

    assert "value" not in json.dumps(1)
    assert "test_plugin.py" in json.dumps(object(), cls=Call)


def trials(*lengths):
    """A trial for each length of a block in seconds, at line 1; a negative one was excused as a wait for memory."""
    place = {"file": "/srv/shop.py", "line": 1, "code": "f()"}
    left = list(lengths)

    def trial():
        seconds = left.pop(0)
        where = (place,) if seconds else ()
        return [], [Block(0.0, 1.0, max(seconds, 0.0), 0.0, 0.0, where, max(-seconds, 0.0))]

    return lambda: proofs._decide([Request("GET", "/")], 0.05, trial), left


@pytest.mark.parametrize(
    "lengths, left",
    [((0.0, 9.0), 1), ((0.01, 9.0), 1), ((1.0, 0.0, 0.0, 9.0), 1), ((-1.0, 0.0, 9.0), 1), ((0.0, 1.0), 1)],
)
def test_single_block_proves_nothing(lengths, left):
    decide, rest = trials(*lengths)
    decide()
    assert len(rest) == left


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (1.0, 0.0, 1.0), (-1.0, 1.0, 1.0)])
def test_line_that_blocks_twice_fails(lengths):
    decide, rest = trials(*lengths)
    with pytest.raises(LoopBlocked, match="/srv/shop.py:1: f"):
        decide()
    assert not rest


def test_memory_pressure_proves_nothing():
    """Trials on a machine that's short of memory prove nothing."""
    decide, _ = trials(*[-1.0] * 8)
    with pytest.raises(Unproved, match="short of memory"):
        decide()
