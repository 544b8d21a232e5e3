"""The judge's decisions: problems of the machine are an ERROR and never a FAIL, and one odd trial decides nothing."""

import pytest

from autograder import services
from autograder.judge import decide as deciding
from autograder.judge.decide import CONFIRM, TRIALS
from autograder.judge.judge import Judge
from autograder.judge.proofs import overlap, requests
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.endpoint import Endpoint
from autograder.judge.verdict import Inconclusive, Trial, Verdict
from autograder.lab.race import Race, Request
from autograder.programs.messages.races import SYSCALL, LoopSample

BLOCKED = Trial(Verdict("fail", "blocked", "it was", 3))
NAMELESS = Trial(Verdict("fail", "blocked", "by somebody", nameless=True))
PROVED = Trial(proved=True)
NOTHING = Trial()


class Method:
    """A substitute for `OverlapProof` or `RendezvousProof` that returns the given trials."""

    def __init__(self, proofs, *trials):
        self.proofs = proofs
        self.trials = list(trials)

    async def warm_up(self):
        pass

    async def trial(self, show=False):
        return self.trials.pop(0) if self.trials else NOTHING


async def decide(*trials, proofs=1):
    return await deciding.decide(Method(proofs, *trials), CONFIRM)


@pytest.mark.parametrize(
    "trials, outcome, number",
    [
        ([PROVED], "pass", 1),
        ([NOTHING, NOTHING, PROVED], "pass", 3),
        ([BLOCKED, BLOCKED], "fail", 2),
        ([NAMELESS, BLOCKED], "fail", 2),
        ([NAMELESS, NAMELESS, BLOCKED], "fail", 3),
        ([NAMELESS] * (CONFIRM + deciding.NAMELESS), "fail", CONFIRM + deciding.NAMELESS),
        ([BLOCKED, NOTHING, BLOCKED], "fail", 3),
        ([BLOCKED, PROVED, PROVED], "pass", 3),
        ([BLOCKED, PROVED, BLOCKED], "fail", 3),
    ],
)
async def test_decision(trials, outcome, number):
    verdict = await decide(*trials)
    assert (verdict.outcome, verdict.trials) == (outcome, number)


async def test_random_order_must_be_repeated():
    """An order that could be chance must be observed twice before the verdict is PASS."""
    verdict = await decide(PROVED, PROVED, proofs=2)
    assert (verdict.outcome, verdict.trials) == ("pass", 2)
    assert (await decide(PROVED, BLOCKED, BLOCKED, proofs=2)).outcome == "fail"
    with pytest.raises(Inconclusive):
        await decide(PROVED, proofs=2)


@pytest.mark.parametrize("trials", [[], [BLOCKED], [BLOCKED, PROVED], [NOTHING] * TRIALS])
async def test_no_proof_is_inconclusive(trials):
    """Trials with neither a proof nor a certificate are inconclusive."""
    with pytest.raises(Inconclusive):
        await decide(*trials)


APP = """
import os

import httpx
from fastapi import FastAPI

app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/prices/{token}")
async def price(token: str):
    return (await client.get(os.environ["UPSTREAM_URL"] + "/items/" + token)).json()
"""
PRICE = Endpoint(
    "price", "price.py", "", "GET /prices/{token}", {"item": "{token}", "price": "{reply}"},
    {"answers": 1, "concurrency": 2}, service="upstream",
)  # fmt: skip


@pytest.fixture
def app(tmp_path):
    file = tmp_path / "price.py"
    file.write_text(APP)
    return file


async def test_unavailable_service_is_an_error(app, monkeypatch):
    """A service that can't start is an ERROR, and the diagnosis says why."""

    def broken(name):
        raise services.ServiceError("The upstream has no leaves.")

    monkeypatch.setattr(services, "get", broken)
    verdict = await Judge(app, PRICE).concurrency()
    assert verdict.outcome == "error" and "no leaves" in verdict.diagnosis


@pytest.mark.long
async def test_dying_service_is_an_error(app, monkeypatch):
    """A service that dies during a race is an ERROR; the next attempt passes."""
    service = services.get("upstream")
    hold = type(service).hold

    def park_and_die(self):
        hold(self)
        self.stop()

    monkeypatch.setattr(type(service), "hold", park_and_die)
    verdict = await Judge(app, PRICE).concurrency()
    assert verdict.outcome == "error", verdict
    monkeypatch.undo()
    assert (await Judge(app, PRICE).concurrency()).passed


@pytest.mark.long
@pytest.mark.parametrize(("deaths", "outcome"), [(1, "pass"), (2, "fail")])
async def test_killed_server_is_retried(app, monkeypatch, deaths, outcome):
    """A server that is killed once is tried again; one that dies each time is a FAIL."""
    judge, killed = Judge(app, PRICE), []
    hold = type(services.get("upstream")).hold

    def park_and_kill(self):
        hold(self)
        if len(killed) < deaths:
            server = judge._served._app
            server.process.kill()
            server.process.wait()
            killed.append(server)

    monkeypatch.setattr(type(services.get("upstream")), "hold", park_and_kill)
    verdict = await judge.verdict_with_retries("concurrency")
    assert verdict.outcome == outcome and len(killed) == deaths
    assert verdict.kind == ("server died" if outcome == "fail" else "")


async def test_judged_app_sees_no_secrets(app, monkeypatch):
    """The judged app doesn't see the grader's environment variables."""
    monkeypatch.setenv("GRADER_SECRET", "s3cret")
    app.write_text(APP.replace("import os", "import os\n\nassert 'GRADER_SECRET' not in os.environ, 'it is there'"))
    assert (await Judge(app, PRICE).answers()).passed


REPORT = Endpoint(
    "report",
    "report.py",
    "",
    "GET /reports/{number}?wait={wait}",
    {"report": "{number}"},
    {"answers": 1, "concurrency": 2},
)
SLY = {
    "only when it is alone": "if wait < 0.2:\n        time.sleep(wait)\n    else:\n        await asyncio.sleep(wait)",
    "in slices": "end = time.monotonic() + wait\n    while time.monotonic() < end:\n"
    "        time.sleep(0.015)\n        await asyncio.sleep(0)",
}


@pytest.mark.parametrize("how", SLY)
async def test_sly_blocking_does_not_pass(tmp_path, how):
    file = tmp_path / "report.py"
    file.write_text(
        "import asyncio\nimport time\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        f'@app.get("/reports/{{number}}")\nasync def report(number: int, wait: float):\n    {SLY[how]}\n'
        '    return {"report": number}\n'
    )
    verdict = await Judge(file, REPORT).concurrency()
    assert (verdict.outcome, verdict.kind) == ("fail", "blocked"), verdict


async def test_truncated_response_fails(tmp_path):
    """A response that breaks off before its content length fails."""
    file = tmp_path / "report.py"
    file.write_text(
        "import asyncio\n\nfrom fastapi import FastAPI\nfrom fastapi.responses import Response\n\napp = FastAPI()\n\n\n"
        '@app.get("/reports/{number}")\nasync def report(number: int, wait: float):\n    await asyncio.sleep(wait)\n'
        "    return Response('{\"report\": %d}' % number, headers={'content-length': '999'})\n"
    )
    assert (await Judge(file, REPORT).answers()).outcome == "fail"


async def test_skipped_service_call_fails(app):
    """A response made up without calling the service never passes."""
    app.write_text(APP.replace("return (await", "return {'item': token, 'price': 1} or (await"))
    verdict = await Judge(app, PRICE).concurrency()
    assert (verdict.outcome, verdict.kind) == ("fail", "wrong answer")


POOLS = """
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/threads/{number}")
def threads(number: int, wait: float):
    time.sleep(wait)
    return {"number": number}


@app.get("/loop/{number}")
async def loop(number: int, wait: float):
    await asyncio.sleep(wait)
    return {"number": number}
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "name, requests, kind", [("threads", 45, "few at a time"), ("threads", 0, ""), ("loop", 45, "")]
)
async def test_crowd_exposes_the_thread_pool(tmp_path, name, requests, kind):
    """With 45 requests, the default pool of 40 threads becomes visible and is named."""
    file = tmp_path / "pools.py"
    file.write_text(POOLS)
    request = f"GET /{name}/{{number}}?wait={{wait}}"
    points = {"answers": 1, "concurrency": 2}
    endpoint = Endpoint(name, "pools.py", "", request, {"number": "{number}"}, points, requests=requests)
    verdict = await Judge(file, endpoint).concurrency()
    assert (verdict.outcome, verdict.kind) == ("fail" if kind else "pass", kind), verdict.diagnosis
    assert not kind or "of 45 requests only 40 are served at a time" in verdict.diagnosis
    assert not kind or "run_in_threadpool share" in verdict.diagnosis


SLOW = """
import asyncio
import os

import httpx
from fastapi import FastAPI

app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/waits/{number}")
async def waits(number: int, wait: float):
    await asyncio.sleep(wait + 4)
    return {"number": number}


@app.get("/asks/{token}")
async def asks(token: str):
    price = (await client.get(os.environ["UPSTREAM_URL"] + "/items/" + token)).json()["price"]
    await asyncio.sleep(4)
    return {"number": price}
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "request_, service, number",
    [("GET /waits/{number}?wait={wait}", "", "{number}"), ("GET /asks/{token}", "upstream", "{reply}")],
)
@pytest.mark.heavy
async def test_late_response_is_reported(tmp_path, request_, service, number):
    """A late response from an app whose loop is free is reported as too late, not as blocking."""
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    points = {"answers": 1, "concurrency": 2}
    endpoint = Endpoint("slow", "slow.py", "", request_, {"number": number}, points, service=service)
    verdict = await Judge(file, endpoint).concurrency()
    assert (verdict.outcome, verdict.kind) == ("fail", "answered too late"), verdict.diagnosis
    assert "later than it could have been" in verdict.diagnosis


FORGOTTEN_BACKGROUND_AWAIT_S = """
import asyncio

from fastapi import FastAPI

app = FastAPI()
ready = {}


async def prepare(number):
    ready[number].set()


@app.get("/waits/{number}")
async def waits(number: int, wait: float):
    ready[number] = asyncio.Event()
    prepare(number)
    await ready[number].wait()
    return {"number": number}
"""


async def test_missing_await_ends_the_wait(tmp_path, monkeypatch):
    """The judge doesn't wait for a response that a missing `await` will never give."""
    monkeypatch.setattr(overlap, "ANSWER_LIMIT_S", 3600.0)  # this test would be ended long before
    file = tmp_path / "forgotten.py"
    file.write_text(FORGOTTEN_BACKGROUND_AWAIT_S)
    points = {"answers": 1, "concurrency": 2}
    endpoint = Endpoint("f", "forgotten.py", "", "GET /waits/{number}?wait={wait}", {"number": "{number}"}, points)
    verdict = await Judge(file, endpoint).answers()
    assert (verdict.outcome, verdict.kind, verdict.line) == ("fail", "missing await", 17), verdict.diagnosis
    assert "`prepare`" in verdict.diagnosis


async def test_idle_before_warmup_is_seen(monkeypatch):
    """The system call in which the loop waits is found in samples before the warm-up, without another race."""
    seen = [(0.01, 1, 5), (0.02, 1, 5), (0.04, 2, 9), (9.0, 2, 9)]
    samples = [LoopSample(time, 0, 0, slices, SYSCALL, 232, number, {}, 0) for time, slices, number in seen]
    race = Race("t", "app.py", [Request(0, "/", start=0.03, end=9.0)], samples=samples, began=0.0)
    assert await requests.find_poll_syscall(None, race) == "232 0x5"


WORKING = """
from fastapi import FastAPI

from workshop import stamp

app = FastAPI()


@app.get("/stamps/{token}")
def stamped(token: str):
    return {"number": stamp(token)}
"""


@pytest.mark.long
async def test_judge_copies_neighbouring_files(tmp_path):
    """The judge brings its own copy of the files next to an app and removes it afterwards."""
    file = tmp_path / "stamps.py"
    file.write_text(WORKING)
    (tmp_path / "workshop.py").write_text("def stamp(token):\n    return 7\n")
    points = {"answers": 1, "concurrency": 2}
    upstream_calls = {"service": "work", "job": "stamp"}
    endpoint = Endpoint(
        "stamps", "stamps.py", "", "GET /stamps/{token}", {"number": "{reply}"}, points, **upstream_calls
    )
    async with ServedApp(file, endpoint.services) as served:
        judge = Judge(file, endpoint, served)
        assert (await judge.answers()).passed and (await judge.concurrency()).passed
        copied = (await served.app()).file.parent
        assert copied != tmp_path
    assert not copied.exists()
