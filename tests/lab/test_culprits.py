"""The code that a race names is the code that blocked the loop, and correct apps are not blamed."""

import signal
import textwrap

import httpx
import pytest
from matplotlib.text import Text

from autograder import lab
from autograder.lab import reports, server
from autograder.lab.race import Blocked, Canary, Race, Request, startup_sentence
from autograder.lab.timeline import BLOCKED, CPU_WAIT, compare, draw
from autograder.programs.messages.reports import Iteration, Place

HEAD = """
import asyncio
import gc
import re
import sys
import threading
import time
from contextlib import asynccontextmanager

from fastapi import FastAPI

"""
TRIES = 5  # a busy machine adds stalls and never takes one away: one race without a block acquits an app


@pytest.fixture
def serve(tmp_path):
    """Serve an app from its text, without the imports; returns (server, line number of a piece of it)."""

    def serve(text):
        text = HEAD.lstrip() + textwrap.dedent(text).lstrip("\n")
        file = tmp_path / "shop.py"
        file.write_text(text)

        def line_of(piece):
            (number,) = [n for n, line in enumerate(text.splitlines(), 1) if piece in line]
            return number

        return lab.serve(file), line_of

    yield serve
    lab.stop()


async def acquitted(path, n=1):
    """True if at least one of several races shows a loop that the app never blocked."""
    for _ in range(TRIES):
        race = await lab.race(path, n=n, show=False)
        assert all(request.ok for request in race.requests), race
        if not race.blocked:
            return True
    return False


async def seen_race(path, n):
    """A race whose worst block was sampled: the sampler is a thread, and on a crowded machine it may get no CPU in time."""
    for _ in range(TRIES):
        race = await lab.race(path, n=n, show=False)
        if race.worst_block and race.worst_block.in_app:
            break
    return race


async def test_long_c_call_outweighs_python(serve):
    """A call that holds the GIL is sampled only once, at its end, and that sample counts for its whole duration."""
    _, line_of = serve("""
        app = FastAPI()

        @app.get("/mixed")
        async def mixed():
            total = sum(n * n for n in range(200_000))
            re.fullmatch("(a+)+b", 22 * "a")
            return total
    """)
    race = await seen_race("/mixed", n=2)
    assert race.worst_block.line == line_of("re.fullmatch")
    assert "re.fullmatch(" in race.sentence and "total" not in race.sentence


async def test_explicit_collection_is_named(serve):
    """The line of gc.collect() is named, and the words say what it does."""
    _, line_of = serve("""
        app = FastAPI()
        state = [[n, {"row": n}] for n in range(250_000)]

        @app.get("/close")
        async def close():
            gc.collect()
    """)
    race = await seen_race("/close", n=3)
    assert race.worst_block.cause == f"gc.collect() in line {line_of('gc.collect()')} (garbage collection)"


async def test_collection_in_thread_is_named(serve):
    """A garbage collection in another thread is named: it holds the GIL, so the loop can't even begin an iteration."""
    serve("""
        app = FastAPI()
        state = [[n, {"row": n}] for n in range(250_000)]

        @app.get("/close")
        async def close():
            await asyncio.to_thread(gc.collect)
    """)
    race = await lab.race("/close", n=3, show=False)
    assert "garbage collection, in a thread" in race.sentence
    assert race.blocked_seconds >= 0.02


async def test_automatic_collection_is_named(serve):
    """A full collection of many objects blocks wherever it strikes; it is named, not the line alone."""
    serve("""
        app = FastAPI()
        state = [[n, {"row": n}] for n in range(300_000)]
        gc.collect()
        waiting = []

        @app.get("/parse")
        async def parse():
            waiting.append([[n] for n in range(3_000)])
    """)
    seen = []
    for _ in range(TRIES):
        race = await lab.race("/parse", n=60, show=False)
        # one that happens while a transport is finalized has no line of the app, and is named by the sampler alone
        seen += [block for block in race.blocked if block.collection == "automatic" and block.line]
    # one that began in another thread, such as a sampler, is said to be there
    named = [("garbage collection, in a thread" if block.thread else "automatic garbage collection") for block in seen]
    assert seen and all(words in block.cause for block, words in zip(seen, named, strict=True))


async def test_frozen_state_is_not_blamed(serve):
    """After gc.freeze(), gc.collect() has few objects to check, so it isn't blamed."""
    serve("""
        app = FastAPI()
        state = [[n, {"row": n}] for n in range(250_000)]
        gc.collect()
        gc.freeze()

        @app.get("/close")
        async def close():
            gc.collect()
    """)
    assert await acquitted("/close")


BLOCKERS = {
    "sleep": ("time.sleep(30)", "time.sleep(30)"),
    "lock": ("lock.acquire()", "lock.acquire()"),
    "loop": ("while True: time.sleep(0.01)", "time.sleep(0.01)"),
}


@pytest.mark.parametrize("name", BLOCKERS)
async def test_line_named_without_responses(serve, name):
    """No request is served at all: the sentence still names the line that holds the loop."""
    code, named = BLOCKERS[name]
    _, line_of = serve(f"""
        app = FastAPI()
        lock = threading.Lock()
        lock.acquire()

        @app.get("/x")
        async def x():
            {code}  # here
    """)
    race = await lab.race("/x", n=3, show=False, limit=1.0)
    assert "none of the 3 requests got a successful response" in race.sentence
    assert f"`{named}` in line {line_of('# here')}" in race.sentence
    assert f"blocked for {race.blocked_seconds:.2f} s" in race.sentence


@pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="no SIGUSR2 on this system")
async def test_call_holding_gil_is_named(serve):
    """A call that holds the GIL stops every thread, even the watchdog's, but a signal handler in C still reports the stack."""
    _, line_of = serve("""
        app = FastAPI()

        @app.get("/x")
        async def x():
            total = 1
            re.match("(a+)+$", 60 * "a" + "b")
    """)
    race = await lab.race("/x", n=2, show=False, limit=1.0)
    assert f"in line {line_of('re.match')}" in race.sentence and race.worst_block.function == "x"


async def test_first_def_request_imports_nothing(serve):
    """What anyio and FastAPI would import or prepare at the first request is done before the app is ready."""
    server, _ = serve("""
        app = FastAPI()

        @app.get("/modules")
        async def modules():
            import fastapi.routing
            return {"prepared": len(fastapi.routing._endpoint_context_cache), "modules": list(sys.modules)}

        @app.get("/one")
        def one():
            return 1
    """)
    async with httpx.AsyncClient(base_url=server.url) as client:
        first, _, last = [(await client.get(path)).json() for path in ("/modules", "/one", "/modules")]
    assert set(last["modules"]) - set(first["modules"]) == set()
    assert first["prepared"] == last["prepared"] >= 2


async def test_first_request_is_not_blamed(tmp_path):
    """A fresh, correct app is acquitted in the first race, in one of several starts."""
    file = tmp_path / "shop.py"
    file.write_text("from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/one')\ndef one():\n    return 1\n")
    races = []
    for _ in range(TRIES):
        lab.serve(file)
        races.append(await lab.race("/one", n=1, show=False))
        lab.stop()
        if not races[-1].blocked:
            return
    raise AssertionError([race.sentence for race in races])


STARTUP = """
    def load_model():
        time.sleep(0.6)

    async def warm_up():
        {task}

    @asynccontextmanager
    async def lifespan(app):
        {start}
        task = asyncio.create_task(warm_up())
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/live")
    async def live():
        return "alive"
"""


async def test_blocking_startup_task_is_named(serve):
    """It is over before the app is ready, so no race shows it: the sentence says so."""
    _server, line_of = serve(STARTUP.format(task="load_model()", start=""))
    race = await lab.race("/live", n=2, show=False)
    assert f"`time.sleep(0.6)` in line {line_of('time.sleep(0.6)')}" in race.sentence
    assert "Before the app was ready" in race.sentence
    assert [block.line for block in race.startup] == [line_of("time.sleep(0.6)")]


@pytest.mark.parametrize("task, start", [("await asyncio.to_thread(load_model)", ""), ("pass", "load_model()")])
async def test_waiting_startup_is_not_blamed(serve, task, start):
    """A task in a thread, or the lifespan itself, which may take its time: nothing is served before its end."""
    serve(STARTUP.format(task=task, start=start))
    race = await lab.race("/live", n=2, show=False)
    assert race.startup == [] and "Before the app was ready" not in race.sentence


async def test_loop_callback_is_named(serve):
    """A C function passed to call_soon has no frame of the app, so it's reported by its name."""
    serve("""
        app = FastAPI()

        @app.get("/x")
        async def x():
            asyncio.get_running_loop().call_soon(time.sleep, 0.1)
            await asyncio.sleep(0.2)
    """)
    race = await lab.race("/x", n=1, show=False)
    assert race.worst_block.cause == "time.sleep as a callback of the loop"


def of_blocks(*blocks, **more):
    """A finished race with these blocks."""
    requests = [Request(0, "/tea", start=0.0, end=1.0, status=200)]
    return Race("/tea", "tea.py", requests, blocked=[*blocks], end=1.0, **more)


def drawn(axes, color):
    """Seconds that are drawn in a color."""
    from matplotlib.colors import to_rgba

    return sum(
        path.get_extents().width
        for collection in axes.collections
        if len(collection.get_facecolor()) and tuple(collection.get_facecolor()[0]) == to_rgba(color)
        for path in collection.get_paths()
    )


def test_blocked_is_one_number_everywhere():
    """The caption, both pictures and the list agree, and waiting for a CPU is a state of its own in each."""
    place = ("tea.py", 7, "crunch()", "tea")
    blocks = [Blocked(0.0, 0.3, 0.1, *place), Blocked(0.4, 0.9, 0.25, *place)]
    race = of_blocks(*blocks, not_blamed=[Blocked(0.9, 0.98, 0.07, *place)])
    assert race.blocked_seconds == pytest.approx(0.45) == sum(block.seconds for block in race.blocked)
    said = "blocked for 0.45 s (plus 0.42 s waiting for a CPU)"
    assert race.lane == said
    assert said in race.sentence and said in race.lane_at(1.0)
    for figure in (draw(race), compare(race, race)):
        for axes in figure.axes:
            assert any(said in text.get_text() for text in axes.texts)
            assert drawn(axes, BLOCKED) == pytest.approx(0.45)
            assert drawn(axes, CPU_WAIT) == pytest.approx(0.42)


def test_cpu_wait_names_no_line():
    """A stretch that was mostly waiting for a CPU is neither blocked nor dark, and no line is named for it."""
    race = of_blocks()
    race.began = 0.0
    race.end = None
    place = Place("tea.py", 7, "await pour()", "tea", seconds=0.04)
    race.apply(Iteration(0.0, 0.5, waited=0.46, where=[place]))
    race.end = 1.0
    assert race.blocked == [] and race.worst_block is None and race.loop_lag == 0
    assert race.lane == "waiting for a CPU for 0.46 s" and "the machine was busy" in race.sentence
    (axes,) = draw(race).axes
    words = " ".join(text.get_text() for text in axes.texts)
    assert "pour" not in race.sentence + words and race.lane in words
    assert drawn(axes, BLOCKED) == 0 and drawn(axes, CPU_WAIT) == pytest.approx(0.46)
    assert [block.line for block in race.long_iterations] == [7], "the judge still weighs it"


def turn(tasks, longest, seconds=0.06):
    """A report on a long iteration in which so many tasks ran, the longest for ``longest`` seconds."""
    place = Place("tea.py", 7, "pour()", "tea", seconds=longest)
    return Iteration(0.1, 0.1 + seconds, tasks=tasks, longest_task=longest, where=[place])


def test_many_short_tasks_block_nothing():
    """Requests that come together make one long iteration, of which no piece of code held the loop for long."""
    race = Race("/tea", "tea.py", [], began=0.0)
    race.apply(turn(tasks=20, longest=0.003))
    assert race.blocked == [] and race.lane == "never blocked for long, but busy"
    race.apply(turn(tasks=3, longest=0.05))
    assert [block.line for block in race.blocked] == [7]


def test_late_canaries_mark_the_lane():
    """The words of the lane follow the same rule as the colour of the canaries."""
    from autograder.lab.timeline import LATE

    late, own = Canary(0.1, 0.2, answered=True), Canary(0.1, 0.2, waited=0.08, answered=True)
    for canary, is_late in ((late, True), (own, False)):
        race = of_blocks(canaries=[canary])
        assert (race.lane == "free") is not is_late
        assert bool(drawn(draw(race).axes[0], LATE)) is is_late


def test_startup_sentence_names_the_longest():
    """Several blocks before the app was ready are one sentence."""
    blocks = [Blocked(0, seconds, 0.0, "a.py", line, "load()", "f") for line, seconds in ((3, 0.2), (4, 0.5))]
    (said,) = startup_sentence(blocks)
    assert "blocked the loop for 0.70 s, most of it by `load()` in line 4" in said
    assert startup_sentence([]) == []


@pytest.fixture
def withheld(tmp_path):
    """The folder of the served app, in which no line is named."""
    server.withhold(tmp_path)
    yield tmp_path
    server._withheld.discard(tmp_path.resolve())


async def test_withheld_line_is_never_named(serve, withheld):
    """An exercise that asks for the line gets a picture, a sentence and lists without it."""
    serve(
        """
        app = FastAPI()

        @app.get("/brew")
        async def brew():
            time.sleep(0.11)
        """
    )
    race = await lab.race("/brew", n=2, show=False)
    assert race.lane != "free" and race.blocked
    load = await lab.load(["/brew"], seconds=0.5, show=False)
    picture = " ".join(text.get_text() for text in draw(race).findobj(Text))
    lists = str([load.blockers, race.blocked, race.startup, race.found, race.busy])
    assert reports.WITHHELD.code in race.sentence
    assert "sleep" not in race.sentence + load.sentence + picture + lists
    assert not any(block.line for block in race.blocked + race.startup)
