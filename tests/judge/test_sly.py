"""Apps that hide their blocking, queueing or caching from the judge, and correct apps that look suspicious."""

import pytest

from autograder import paths
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.exercise import load

HTTP, BLOCKERS, SLEEPING = (
    load(paths.SOLUTIONS / name) for name in ("02_calling_http", "10_blockers_you_did_not_write", "01_sleeping")
)
HEAD = """
import asyncio
import os
import time
from contextlib import asynccontextmanager

import httpx
import requests
from fastapi import FastAPI, Request

UPSTREAM = os.environ.get("UPSTREAM_URL", "")
app = FastAPI()
client = httpx.AsyncClient(timeout=60)
lock = asyncio.Lock()
guests, kept = 0, {}


async def ask(token):
    return (await client.get(f"{UPSTREAM}/items/{token}")).json()["price"]


"""
PRICE = '@app.get("/prices/{token}")\nasync def price(token: str, request: Request):\n'
DONE = '\n    return {"item": token, "price": number}\n'

ALONE = (
    PRICE
    + """
    global guests
    guests += 1
    await asyncio.sleep(0.01)
    if guests == 1:
        number = requests.get(f"{UPSTREAM}/items/{token}").json()["price"]
    else:
        number = await ask(token)
    guests -= 1"""
    + DONE
)
AGENT = (
    PRICE
    + """
    if "racer" in request.headers["user-agent"]:
        number = await ask(token)
    else:
        number = requests.get(f"{UPSTREAM}/items/{token}").json()["price"]"""
    + DONE
)
STALE = (
    PRICE
    + """
    async def fill():
        kept[token] = await ask(token)

    filling = asyncio.create_task(fill())
    if token in kept:
        await asyncio.sleep(0.03)
    else:
        await filling
    number = kept[token]"""
    + DONE
)
SLOW_AFTERWARDS = PRICE + "\n    number = await ask(token)\n    await asyncio.sleep(0.7)" + DONE
HIT = """
@app.get("/rates/{token}")
async def rate(token: str):
    if token in kept:
        time.sleep(0.2)
    else:
        kept[token] = await ask(token)
    return {"currency": token, "rate": kept[token]}
"""
BASKET = """
@app.get("/baskets/{token}")
async def basket(token: str):
    asked = [asyncio.create_task(ask(f"{token}-{i}")) for i in (1, 2)]
    async with lock:
        return {"basket": token, "total": sum(await asyncio.gather(*asked))}
"""
RESTLESS = """
async def spin():
    while True:
        await asyncio.sleep(0)


@asynccontextmanager
async def lifespan(app):
    app.state.spinning = asyncio.create_task(spin())
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await asyncio.sleep(wait)
    return {"report": number, "status": "ready"}
"""


async def judged(tmp_path, exercise, name, text):
    endpoint = exercise.endpoint(name)
    file = tmp_path / endpoint.file
    file.write_text(HEAD + text)
    async with ServedApp(file, endpoint.services) as served:
        judge = Judge(file, endpoint, served)
        return await judge.verdict_with_retries("answers"), await judge.verdict_with_retries("concurrency")


@pytest.mark.parametrize(
    ("exercise", "name", "text", "kind"),
    [
        pytest.param(HTTP, "price", ALONE, "blocked", id="blocks who is alone"),
        pytest.param(HTTP, "price", AGENT, "blocked", id="blocks who does not look like a race"),
        pytest.param(BLOCKERS, "rate", HIT, "blocked", id="blocks for what it has kept"),
        pytest.param(HTTP, "basket", BASKET, "one at a time", id="a lock around two questions"),
    ],
)
async def test_hidden_blocking_is_found(tmp_path, exercise, name, text, kind):
    """Blocking that hides from a race is found, and the diagnosis has the right kind."""
    answers, concurrency = await judged(tmp_path, exercise, name, text)
    assert answers.passed, answers.diagnosis
    assert (concurrency.outcome, concurrency.kind) == ("fail", kind), concurrency.diagnosis


async def test_cached_response_fails(tmp_path):
    """A cached response fails, even if the service is called as well."""
    answers, _ = await judged(tmp_path, HTTP, "price", STALE)
    assert (answers.outcome, answers.kind) == ("fail", "kept from before"), answers.diagnosis


@pytest.mark.heavy
async def test_work_after_response_is_accepted(tmp_path):
    """If an endpoint waits after its upstream call, responses come late, but the released request is still the first."""
    answers, concurrency = await judged(tmp_path, HTTP, "price", SLOW_AFTERWARDS)
    assert answers.passed and concurrency.passed, concurrency.diagnosis


@pytest.mark.linux
@pytest.mark.heavy
async def test_busy_loop_is_not_judged(tmp_path):
    """A loop that is never seen waiting for work is an ERROR."""
    _, concurrency = await judged(tmp_path, SLEEPING, "report", RESTLESS)
    assert concurrency.outcome == "error" and "never seen waiting for work" in concurrency.diagnosis


HOLDING = """
@app.get("/prices/{token}")
async def price(token: str):
    if token in kept:
        # once it is known, it is given away while the service is asked anew, if that takes long
        asked = asyncio.create_task(ask(token))
        done, _ = await asyncio.wait([asked], timeout=0.6)
        number = asked.result() if done else kept[token]
    else:
        number = await ask(token)
    kept[token] = number
"""
SLICES = """
@app.get("/reports/{number}")
async def report(number: int, wait: float):
    for _ in range(10):
        async with lock:
            await asyncio.sleep(wait / 10)
    return {"report": number, "status": "ready"}
"""
DUPLICATE = """
@app.get("/baskets/{token}")
async def basket(token: str):
    return {"basket": token, "total": sum(await asyncio.gather(ask(f"{token}-1"), ask(f"{token}-2"), ask(f"{token}-1")))
            - await ask(f"{token}-1")}
"""
NARROW = """
places = asyncio.Semaphore(3)


async def one(token):
    async with places:
        return await ask(token)


@app.get("/baskets/{token}")
async def basket(token: str):
    return {"basket": token, "total": sum(await asyncio.gather(one(f"{token}-1"), one(f"{token}-2")))}
"""
SPREAD = """
@app.get("/prices/{token}")
async def price(token: str):
    # fmt: skip
    number = (
        requests
        .get(f"{UPSTREAM}/items/{token}", timeout=60)
        .json()["price"]
    )
"""
POOL_LEFT = """
from concurrent.futures import ThreadPoolExecutor


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    with ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, wait)
    return {"report": number, "status": "ready"}
"""


@pytest.mark.parametrize(
    ("exercise", "name", "text", "kind", "says"),
    [
        pytest.param(HTTP, "price", HOLDING + DONE[1:], "kept from before", "because the service was slow", id="stale"),
        pytest.param(HTTP, "price", SPREAD + DONE[1:], "blocked", "requests.get(", id="a call over several lines"),
        pytest.param(HTTP, "basket", DUPLICATE, "called twice", "3 times", id="one part three times"),
        pytest.param(HTTP, "basket", NARROW, "few at a time", "of the 4 calls that 2 requests", id="calls are counted"),
        pytest.param(
            SLEEPING, "report", SLICES, "answered too late", "around each slice", id="a lock around each slice"
        ),
        pytest.param(SLEEPING, "report", POOL_LEFT, "blocked", "Leaving the `with` block", id="leaving a pool waits"),
    ],
)
async def test_diagnosis_names_the_cause(tmp_path, exercise, name, text, kind, says):
    """A wrong cause is a wrong verdict to the learner."""
    _, verdict = await judged(tmp_path, exercise, name, text)
    assert (verdict.outcome, verdict.kind) == ("fail", kind), verdict.diagnosis
    assert says in verdict.diagnosis
