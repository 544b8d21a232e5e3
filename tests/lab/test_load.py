"""A load: percentiles of the latency, blocking lines by total time, and a picture with alternative text."""

import asyncio
import time

import pytest
from helpers import assert_quiet, notebook_of, picture, printed, run_notebook

from autograder.lab import live_plot
from autograder.lab.load import Load, named
from autograder.lab.percentiles import quantiles
from autograder.lab.race import Canary, Request
from autograder.programs.messages.reports import Iteration, Place

APP = """
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/much/{i}")
async def much(i: int):
    time.sleep(0.12)


@app.get("/little/{i}")
async def little(i: int):
    time.sleep(0.04)


@app.post("/free/{i}")
async def free(i: int):
    await asyncio.sleep(0.1)
"""


def test_percentiles_were_really_seen():
    assert quantiles(range(1, 101)) == {50: 50, 95: 95, 99: 99}
    assert quantiles([7]) == {50: 7, 95: 7, 99: 7}
    assert quantiles([]) == {50: 0, 95: 0, 99: 0}


def made(canaries, requests=()):
    load = Load("under load", "shop.py", list(requests), lasts=2.0, began=0.0, end=2.0)
    load.canaries = [Canary(start, end, answered=end is not None) for start, end in canaries]
    return load


def test_latency_counts_delayed_canaries():
    """Canaries that would have been sent during a stall are counted in the percentiles."""
    load = made([(0.0, 0.001), (0.02, 1.02)])
    seconds = [seconds for _, seconds in load.latencies()]
    assert len(seconds) == 51
    assert max(seconds) == 1.0 and min(seconds) == 0.001
    assert 0.4 < load.percentiles()[50] < 0.6
    assert load.alerts == (2, 3)


def test_unfinished_request_counts_until_now():
    """A request without a response counts with the time that it has waited until now."""
    load = made([], [Request(0, "/a", start=0.5), Request(1, "/a", start=0.0, end=0.1, status=200)])
    assert load.latencies("/a", now=3.0) == [(0.5, 2.5), (0.0, 0.1)]
    assert load.windows("/a", now=3.0)[-1][1][99] == 2.5


@pytest.mark.parametrize(
    "path, route", [("/tea", "/tea"), ("/items/77", "/items"), ("/search?words=x", "/search"), ("/", "/")]
)
def test_routes_drop_changing_parts(path, route):
    """Routes are named without the parts of a path that change."""
    assert named(Request(0, path)) == route


def test_blocked_time_is_shared_out():
    """The time that the loop was blocked is shared among the lines that were sampled."""
    load = made([])
    where = [Place("shop.py", 3, "a()", "tea", seconds=0.3), Place("shop.py", 5, "b()", "tea", seconds=0.1)]
    load.apply(Iteration(0.0, 0.4, where=where))
    load.apply(Iteration(0.5, 0.9, waited=0.1, where=where[1:]))
    assert [(b.line, round(b.seconds, 3), b.times) for b in load.blockers] == [(5, 0.4, 2), (3, 0.3, 1)]


@pytest.mark.long
async def test_load_is_drawn_while_running():
    """The picture of a load is drawn while the load runs."""
    load = made([(0.0, 0.1)], [Request(0, "/a", start=0.0)])
    load.began = time.perf_counter()
    drawing = live_plot.Drawing(load)
    drawing.start()
    async with asyncio.timeout(60):
        while not drawing.frames:
            await asyncio.sleep(0.05)
    await drawing.finish()


CELLS = (
    "from autograder import lab\n%load_ext autograder.lab",
    "%%app shop.py\n" + APP,
    'load = await lab.load(["/much/{i}", "/little/{i}", "POST /free/{i}"], seconds=2, rate=15)',
    "print(*[blocker.code for blocker in load.blockers])\n"
    "print(load.percentiles()[50] <= load.percentiles()[95] <= load.percentiles()[99])\n"
    'print(load.alerts[0] > 0, load.percentiles("/free")[50] > 0.1, len(load.routes))',
)


@pytest.mark.long
def test_a_load_in_a_notebook(tmp_path):
    notebook, updates = run_notebook(notebook_of(*CELLS), tmp_path)
    assert_quiet(notebook)
    lines = printed(notebook.cells[-1]).splitlines()
    assert lines[0].split(" time")[0].startswith("time.sleep(0.12)") and "time.sleep(0.04)" in lines[0]
    assert lines[1:] == ["True", "True True 3"]
    final = updates[-1][1]
    assert picture(final).startswith(b"\x89PNG")
    assert "the alert fired in" in final["text/plain"] and "time.sleep(0.12)" in final["text/plain"]
    assert 'alt="' in final["text/html"]
