"""A diagnosis of an exception starts with the learner's line and ends with the most likely fix."""

import asyncio
import threading
import time
from dataclasses import replace

import asyncpg
import pytest
import redis.asyncio

from autograder import services
from autograder.judge.diagnoses import messages
from autograder.judge.diagnoses.hints import polls, remedy, remedy_of_answer, remedy_of_coroutine
from autograder.judge.proofs.certificates import _client_each
from autograder.judge.proofs.requests import _server_error
from autograder.judge.spec.endpoint import CheckRequest
from autograder.judge.verdict import AnswerFault
from autograder.lab.race import Race, Request
from autograder.programs.messages.races import RaceStarted
from autograder.programs.messages.reports import Iteration, Place, PythonWarning, RequestFailed

PIPELESS = "process = await asyncio.create_subprocess_exec(PRICE, token)\noutput, _ = await process.communicate()"
CANNOT = "object {} can't be used in 'await' expression"


@pytest.mark.parametrize(
    ("message", "code", "text", "says"),
    [
        ("unhashable type: 'list'", "await asyncio.gather([a, b])", "", "gather(*coroutines)"),
        ("'_GatheringFuture' object has no attribute 'json'", "x.json()", "", "await asyncio.gather(...)"),
        ("await wasn't used with future", "a, b = asyncio.gather(f(), g())", "", "await asyncio.gather(...)"),
        ("unsupported operand 'int' and 'coroutine'", "a + b", "    a, b = await f(1), g(2)", "only the first"),
        (CANNOT.format("NoneType"), "await time.sleep(wait)", "", "`time.sleep(wait)` has already done its work"),
        (CANNOT.format("Response"), "reply = await requests.get(f(u)).json()", "", "`requests.get(f(u))` has already"),
        ("'str' object is not callable", "text = await asyncio.to_thread(read(token))", "", "`to_thread(read, token)`"),
        ("'int' object is not callable", "await to_thread(f())", "", "`to_thread(f)`"),
        ("'str' object is not callable", "await loop.run_in_executor(None, read(token))", "", "Pass the function"),
        ("'State' object has no attribute 'client'", "app.state.client.get(u)", "", "FastAPI(lifespan=lifespan)"),
        ("int() argument must be a string, not 'NoneType'", "int(output)", PIPELESS, "stdout=asyncio.subprocess.PIPE"),
        (
            "cannot reuse already awaited coroutine",
            "await rate()",
            "@lru_cache\nasync def rate():",
            "holds the coroutine",
        ),
        ("cannot perform operation: another operation is in progress", "await c.fetchval(q)", "", "use a pool"),
    ],
)
def test_mistakes_that_many_make(message, code, text, says):
    assert says in remedy(message, code, text)


async def _double(x):
    return 2 * x


MISTAKES = {
    "gather with await inside": ("await asyncio.gather(await _double(1), await _double(2))", "Don't write `await`"),
    "gather with a generator": ("await asyncio.gather(_double(x) for x in (1, 2))", "a star before them"),
    "async with a plain file": ("async with open(__file__) as file: pass", "`aiofiles.open`"),
    "async with what is not made for it": ("async with threading.Lock(): pass", "write `with`"),
    "a loop in a loop": ("asyncio.run(waiting := _double(1))", "without a loop of your own"),
    "a loop in a loop, by hand": ("asyncio.get_running_loop().run_until_complete(_double(1))", "Lesson 00"),
    "a list of arguments": ("await asyncio.create_subprocess_exec(['ls', '-l'])", "one by one"),
    "tasks that are added": ("asyncio.ensure_future(_double(1)) + asyncio.ensure_future(_double(2))", "not its result"),
    "gather with what is not async": ("await asyncio.gather(min(1, 2), min(3, 4))", "must be `async def`"),
    "wait with coroutines": ("await asyncio.wait([_double(1), _double(2)])", "takes tasks"),
    "a result too soon": ("asyncio.ensure_future(_double(1)).result()", "after the block"),
    "a wait with a limit, of a call that blocks": (
        "await asyncio.wait_for(time.sleep(0), None)",
        "`time.sleep(0)` has",
    ),
    "a pool that does not wait": (
        "await redis.Redis(connection_pool=redis.ConnectionPool(timeout=1)).get('x')",
        "Only a",
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of coroutines that these mistakes leave behind
@pytest.mark.parametrize(("code", "says"), MISTAKES.values(), ids=MISTAKES)
async def test_mistakes_in_pythons_own_words(code, says):
    """The messages are other libraries': they are met here, not remembered."""
    names = {"asyncio": asyncio, "threading": threading, "redis": redis.asyncio, "time": time, "_double": _double}
    names["__file__"] = __file__
    exec(f"async def mistake():\n    {code}\n", names)
    with pytest.raises((TypeError, RuntimeError, AttributeError, asyncio.InvalidStateError)) as met:
        await names["mistake"]()
    assert says in remedy(str(met.value), code, code), met.value


def test_coroutine_in_a_thread_explained():
    """A coroutine function given to a thread gets the advice to use a plain `def`."""
    text = "async def read(token):\n    ...\n\ntext = await asyncio.to_thread(read, token)\n"
    assert "make it a plain `def`" in remedy_of_coroutine("read", text)
    assert not remedy_of_coroutine("read", text.replace("async def", "def"))
    assert not remedy_of_coroutine("write", text)


@pytest.mark.long
async def test_wrong_placeholder_gets_a_remedy():
    """PostgreSQL's own message about another library's placeholder gets the right remedy."""
    url = services.get("postgres").environment["DATABASE_URL"]
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.PostgresSyntaxError) as met:
            await connection.fetchval("SELECT price_of(%s)", "x")
        assert "`$1`" in remedy(str(met.value), "", "import asyncpg")
        body = '{"price": "%s"}' % await connection.execute("SELECT 1")
        assert "`fetchval`" in remedy_of_answer(body) and not remedy_of_answer('{"price": 1}')
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ("division by zero", "1 / 0", ""),
        ("'str' object is not callable", "text()", ""),
        ("unsupported operand 'int' and 'coroutine'", "a + b", "a, b = f(1), g(2)"),
        ("unsupported operand 'int' and 'coroutine'", "a + b", "a, b = await asyncio.gather(f(1), g(2))"),
        ("int() argument must be a string, not 'NoneType'", "int(text)", "text = None"),
        ("int() argument must be a string, not 'NoneType'", "int(x)", PIPELESS + "\nstdout=PIPE"),
        ("unhashable type: 'list'", "{[]: 1}", ""),
    ],
)
def test_of_others_nothing_is_said(message, code, text):
    assert remedy(message, code, text) == ""


class App:
    """A served app that has met an error, and of which Python has warned."""

    def __init__(self, file, warning=None):
        self.file = file
        self.warnings = [PythonWarning(warning, [])] if warning else []


RETURN = (Place(line=4, code="return reply.json()"),)


def told(tmp_path, error, warning=None, where=RETURN):
    file = tmp_path / "price.py"
    file.write_text("app = None")
    race = Race("/x", str(file), [])
    race.errors.append(RequestFailed("/x", "AttributeError", error, list(where)))
    with pytest.raises(AnswerFault) as caught:
        _server_error(App(file, warning), race, Request(0, "/x", status=500), CheckRequest("GET", "/x", {}))
    return caught.value.verdict


def test_exception_precedes_the_missing_await(tmp_path):
    """A diagnosis names the exception first and then the missing await."""
    never = "coroutine 'AsyncClient.get' was never awaited"
    verdict = told(tmp_path, "'coroutine' object has no attribute 'json'", never)
    assert (verdict.kind, verdict.line) == ("missing await", 4)
    assert verdict.diagnosis.startswith("GET /x ended in AttributeError: 'coroutine' object has no attribute 'json'")
    assert verdict.diagnosis.index("line 4: return reply.json()") < verdict.diagnosis.index("`AsyncClient.get`")


def test_internal_names_are_not_shown(tmp_path):
    """The internal name of a library's coroutine isn't shown."""
    never = "coroutine '_make_delegate_method.<locals>.method' was never awaited"
    verdict = told(tmp_path, "int() argument must be a string, not 'coroutine'", never)
    assert "locals" not in verdict.diagnosis and "A coroutine was created but never awaited" in verdict.diagnosis


def test_missing_await_without_a_line(tmp_path):
    """Without a line of the app, the missing await alone is reported."""
    verdict = told(tmp_path, "'coroutine' object is not iterable", where=())
    assert verdict.kind == "missing await" and verdict.diagnosis.startswith("The endpoint returned a coroutine")


def test_one_request_in_progress():
    class Stall:
        seconds = 0.5

    assert "while 1 request was in progress" in messages.blocked([Stall], 1, None)
    assert "while 4 requests were in progress" in messages.blocked([Stall], 4, None)


def test_client_per_request_is_named():
    """A client that is created for each request is reported with its line."""
    race = Race("/x", "/shop/price.py", [])
    race.apply(RaceStarted(1, 0.0))
    own = Place("/shop/price.py", 12, "httpx.AsyncClient(timeout=30)", "price", seconds=0.012)
    others = [replace(own, file="/elsewhere.py"), replace(own, line=13, code="client.get(url)")]
    race.apply(Iteration(0.1, 0.115, where=others))
    assert _client_each(race) is None
    race.apply(Iteration(0.1, 0.115, where=[own]))
    verdict = _client_each(race)
    assert (verdict.kind, verdict.line) == ("blocked", 12) and not race.blocked
    assert "one client for the whole app" in verdict.diagnosis


@pytest.mark.parametrize("text", ["gather(", "gather(await ", "to_thread(a(", "= await ", "await a(", "PIPE "])
def test_long_lines_take_little(text):
    """A file of one line as long as a cell may be: patterns took minutes for it, and so grading took too long to give a FAIL."""
    began = time.process_time()
    for message in ("x", "awaitable is required", "'coroutine' object", "being awaited already"):
        remedy(message, "gather(x)", text * (200_000 // len(text)))
    assert time.process_time() - began < 20


def test_polling_loop_is_recognised():
    """A `while` that does nothing but sleep(0) is found with its line, and one that does something isn't."""
    assert polls("a = 1\nwhile not job.done():\n    await asyncio.sleep(0)\n") == (2, "while not job.done():")
    assert polls("for part in parts:\n    work(part)\n    await asyncio.sleep(0)\n") is None
    assert polls("while True:\n    await asyncio.sleep(0.1)\n") is None


def test_pool_hint_avoids_with():
    """The usual advice for a missing `async with` would lead to a `with` that waits on the loop."""
    message = "'ThreadPoolExecutor' object does not support the asynchronous context manager protocol"
    assert "in the lifespan" in remedy(message, "async with ThreadPoolExecutor() as pool:")


def test_full_pool_is_named():
    """SQLAlchemy's message about its pool mentions a timeout, and a longer one would only hide that the pool is full."""
    message = "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 0.30"
    assert "in use" in remedy(message, "session.scalar(query)") and "longer timeout" not in remedy(message, "")
