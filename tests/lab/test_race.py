"""A race is measured from outside the app, and says which line blocked the loop."""

import asyncio
import dataclasses
import html
import statistics
import textwrap
import warnings
from dataclasses import replace

import pytest
from helpers import assert_quiet, notebook_of, picture, pictures, printed, run_notebook

from autograder import lab
from autograder.lab import run_race, timeline
from autograder.lab.race import Blocked, Canary, Race, Request
from autograder.programs.messages.races import RaceRequest
from autograder.programs.messages.reports import Iteration, Place

SHOP = """
import asyncio
import json
import time

from fastapi import FastAPI

app = FastAPI()
tasks = set()


def pause(seconds):
    time.sleep(seconds)


@app.get("/blocked")
async def blocked(wait: float):
    pause(wait)


@app.get("/free")
async def free(wait: float):
    await asyncio.sleep(wait)


@app.get("/busy")
async def busy():
    return sum(n * n for n in range(1_500_000))


@app.get("/library")
async def library():
    return list(range(400_000))


async def later(wait):
    await asyncio.sleep(0.01)
    pause(wait)


@app.get("/behind")
async def behind(wait: float):
    tasks.add(asyncio.create_task(later(wait)))


@app.get("/broken")
async def broken():
    return 1 / 0
"""
LINE = 1 + SHOP.strip().splitlines().index("    time.sleep(seconds)")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    file = tmp_path_factory.mktemp("shop") / "shop.py"
    file.write_text(textwrap.dedent(SHOP).lstrip())
    yield lab.serve(file)
    lab.stop()


async def test_blocking_line_is_named(shop):
    """A blocked loop is seen in the lane, in the canaries and in the sentence, with the blocking line."""
    race = await lab.race("/blocked?wait=0.1", n=4)
    assert all(r.ok for r in race.requests)
    # they were served one after the other: the sum of their waits is a lower bound that no load can undo
    assert race.seconds >= 4 * 0.1
    worst = max(race.blocked, key=lambda b: b.seconds)
    assert (worst.line, worst.code, worst.function) == (LINE, "time.sleep(seconds)", "pause")
    assert race.blocked_seconds >= 3 * 0.1
    assert race.loop_lag >= 100
    assert race.worst_canary >= 0.1
    assert f"`time.sleep(seconds)` in line {LINE}" in race.sentence


async def test_free_loop_is_called_free(shop):
    race = await lab.race("/free?wait=0.3", n=4)
    assert not race.blocked and race.loop_lag == 0
    assert min(r.seconds for r in race.requests) >= 0.29
    assert any(c.answered and c.end < race.seconds for c in race.canaries)
    assert "stayed free" in race.sentence


async def test_computing_is_blocking_too(shop):
    race = await lab.race("/busy", n=2)
    assert max(race.blocked, key=lambda b: b.seconds).function.startswith("busy")


@pytest.mark.long
async def test_blocking_library_is_named(shop):
    """Blocking inside a library is attributed to the library and to no line of the app."""
    race = await lab.race("/library", n=2)
    assert race.blocked and not any(b.in_app and b.line for b in race.blocked)
    assert "in line" not in max(race.blocked, key=lambda b: b.seconds).cause


async def test_blocking_after_response_is_seen(shop):
    """A line that blocks after the response is seen as well."""
    for _ in range(5):
        race = await lab.race("/behind?wait=0.06", n=1)
        assert race.blocked and (race.worst_block.line, race.worst_block.code) == (LINE, "time.sleep(seconds)")


async def test_app_error_names_its_line(shop):
    """An exception in the app is reported with its line."""
    race = await lab.race("/broken", n=1)
    assert race.requests[0].status == 500
    assert race.errors[0].type == "ZeroDivisionError"
    assert race.errors[0].where[-1].code == "return 1 / 0"
    assert "none of the 1 requests got a successful response (status 500)" in race.sentence


async def test_error_costs_no_other_request(shop):
    """A 500 fails only its own request, although the server closes the connection, which a pool might reuse."""
    race = await lab.race("/broken", n=20)
    assert [r.status for r in race.requests] == [500] * 20


async def test_loop_asleep_is_reported_live(shop):
    """While the race runs, it reports that the loop sleeps. (Only Linux reports a thread's system call.)"""
    told = []

    async def companion(race):
        while race.end is None and not told:
            if race.asleep:
                told.append((race.asleep, [request.end for request in race.requests]))
            await asyncio.sleep(0.005)

    path = "/blocked?wait=0.5"
    requests = [RaceRequest(0, "GET", path)]
    race = await run_race.run(shop, requests, title="asleep", sample=True, companion=companion)
    ((start, end, call), answered), *_ = told
    assert end - start >= 0.1 and answered == [None]
    # looks are rarer while nothing moves, and more often when something does
    steps = [after.time - look.time for look, after in zip(race.samples, race.samples[1:], strict=False)]
    same = [
        (look.slices, look.call) == (after.slices, after.call)
        for look, after in zip(race.samples, race.samples[1:], strict=False)
    ]
    assert statistics.median(s for s, is_same in zip(steps, same, strict=True) if is_same) >= 0.008
    assert any(look.call == call for look in race.samples)


async def test_unanswered_requests_are_abandoned(shop):
    """Requests without a response are given up at the limit."""
    race = await lab.race("/free?wait=1000", n=2, limit=0.5)
    assert [r.error for r in race.requests] == ["no response"] * 2
    assert all(r.end for r in race.requests)


async def test_numbers_and_lists_of_paths(shop):
    race = await lab.race("/free?wait=0.0{i}", n=3)
    assert [r.path[-2:] for r in race.requests] == ["01", "02", "03"]
    race = await lab.race(["/free?wait=0", "/nothing"])
    assert [r.status for r in race.requests] == [200, 404]
    for bad in ("free", [], [7]):
        with pytest.raises(lab.AppError, match="begins with a slash"):
            await lab.race(bad)


async def test_cancelled_race_leaves_no_trace(shop):
    """After a cancelled race the load generator is ready for the next one."""
    task = asyncio.create_task(lab.race("/free?wait=1000", n=3))
    while not shop.listeners:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await lab.race("/free?wait=0", n=1)).requests[0].ok


@pytest.mark.long
async def test_timeline_has_alternative_text(shop):
    """The pictures have alternative text, and show nothing by colour alone."""
    before = await lab.race("/blocked?wait=0.1", n=3)
    after = await lab.race("/free?wait=0.1", n=3)
    for race in (before, after):
        shown = timeline.bundle(lab.draw(race), race.sentence, 80)
        assert picture(shown).startswith(b"\x89PNG")
        assert f'alt="shop.py, {race.title}: 3 requests' in shown["text/html"]
        assert shown["text/plain"] == race.sentence
    words = [text.get_text() for text in lab.draw(before).axes[0].texts]
    assert any(f"time.sleep(seconds) in line {LINE}" in word for word in words), words
    words = {text.get_text() for text in lab.draw(after).axes[0].texts}
    assert after.lane in words and "blocked for" not in after.lane  # what else it says depends on the machine
    hatched = [c for c in lab.draw(before).axes[0].collections if c.get_hatch()]
    assert hatched, "colour alone must not carry it"
    left, right = timeline.compare(before, after).axes
    assert left.get_xlim() == right.get_xlim(), "one scale for both"
    assert lab.side_by_side(before, after) is None


def test_unknown_path_says_what_helps():
    """A path that the app doesn't have is reported, with the cell to run again."""
    requests = [Request(i, "/tea", start=0.0, end=1.0, status=404) for i in range(3)]
    said = Race("/tea", "beans.py", requests, end=1.0).sentence
    assert "beans.py has no such path: run the %%app cell of this race again." in said


def test_late_report_is_not_recounted():
    """The watchdog and the loop report from different threads, so an iteration's last report may arrive before an earlier one."""
    place = Place("tea.py", 3, "time.sleep(1)", "tea")
    race = Race("/tea", "tea.py", [], began=0.0)
    late = Iteration(1.0, 1.9, over=False, where=[place])
    race.apply(late)
    race.apply(replace(late, over=True, end=2.0))
    race.apply(late)
    race.settle()
    assert [(block.start, block.end) for block in race.blocked] == [(1.0, 2.0)]
    race.apply(replace(late, start=3.0, end=3.5))
    race.settle()
    assert [block.start for block in race.blocked] == [1.0, 3.0], (
        "one that goes on at the end counts as far as it was seen"
    )


def test_all_failures_are_listed():
    """The sentence lists every status with which requests failed."""
    requests = [Request(i, "/tea", start=0.0, end=1.0, status=status) for i, status in enumerate((500, 504, 500))]
    assert (
        "none of the 3 requests got a successful response (status 500, status 504)"
        in Race("/tea", "tea.py", requests, end=1.0).sentence
    )


def test_collection_goes_before_thread_start():
    """If a garbage collection runs while a thread starts, the collection is blamed and not the start."""
    start = Blocked(0.0, 0.4, 0.0, "shop.py", 7, "to_thread(f)", "Thread.start", in_app=False)
    assert start.cause == "the start of threads"
    collected = dataclasses.replace(start, collection="automatic")
    assert collected.cause == "automatic garbage collection"
    in_app = dataclasses.replace(collected, in_app=True)
    assert in_app.cause == "automatic garbage collection, during to_thread(f) in line 7"
    assert in_app.quoted_cause == "automatic garbage collection, during `to_thread(f)` in line 7"


def test_long_line_keeps_its_number():
    """A line that is shortened still shows its number."""
    block = Blocked(0.0, 1.0, 0.3, "shop.py", 7, "await " + "very_long_name." * 20 + "call()", "f")
    assert len(block.cause_in(40)) == 40 and block.cause_in(40).endswith("… in line 7")


def drawn_words(race):
    return [text.get_text() for text in timeline.draw(race).axes[0].texts]


def of_blocks(*blocks):
    return Race("/tea", "tea.py", [Request(0, "/tea", start=0.0, end=1.0, status=200)], blocked=[*blocks], end=1.0)


def test_short_block_and_cpu_wait():
    """Waiting for a CPU is reported as such, and the app's own part is reported with its line."""
    race = of_blocks(Blocked(0.6, 0.64, 0.0, "tea.py", 9, "time.sleep(0.04)", "tea"))
    race.not_blamed.append(Blocked(0.0, 0.5, 0.46, "tea.py", 7, "await pour()", "tea"))
    said = "blocked for 0.04 s (plus 0.46 s waiting for a CPU)"
    assert f"{said}, most of it by `time.sleep(0.04)` in line 9" in race.sentence
    assert any(f"{said}: time.sleep(0.04) in line 9" in word for word in drawn_words(race))
    assert "pour" not in race.sentence + " ".join(drawn_words(race))


def test_long_block_is_always_named():
    """A call that blocked the loop for long is named, however long it also waited for a CPU."""
    race = of_blocks(Blocked(0.0, 0.9, 0.7, "tea.py", 7, "crunch()", "tea"))
    assert race.worst_block.line == 7 and "most of it by `crunch()` in line 7" in race.sentence


def test_lag_is_the_longest_stretch():
    """The lag of the loop is the longest stretch of the lane; adjoining blocks count as one."""
    halves = [Blocked(start, start + 0.3, 0.0, "tea.py", 7, "crunch()", "tea") for start in (0.0, 0.302)]
    assert round(of_blocks(*halves).loop_lag) == 602, (
        "two turns with nothing between them are one stretch in the picture"
    )


def test_canary_label_stays_visible():
    """The label of a late canary stands next to its mark and inside the picture."""
    for start in (0.0, 0.93):
        race = of_blocks()
        race.canaries = [Canary(start, start + 0.06, answered=True)]
        figure = timeline.draw(race)
        timeline.bundle(figure, "text", 80)
        axes = figure.axes[0]
        (word,) = [text for text in axes.texts if text.get_text() == "waited 0.06 s"]
        box = word.get_window_extent().transformed(axes.transData.inverted())
        assert box.x0 >= 0 and box.x1 <= axes.get_xlim()[1]
        assert box.x0 >= start + 0.06 or box.x1 <= start


def test_long_line_keeps_picture_size():
    """A long line of code doesn't make the picture smaller."""
    block = Blocked(0.0, 1.0, 0.3, "shop.py", 7, "await " + "very_long_name." * 20 + "call()", "f")
    race = Race("/long", "shop.py", [Request(0, "/long", start=0.0, end=1.0, status=200)], blocked=[block], end=1.0)
    for figure in (timeline.draw(race), timeline.compare(race, race)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # matplotlib warns when it finds no layout, on stderr
            timeline.bundle(figure, "text", 80)
        for axes in figure.axes:
            assert axes.get_position().width > 0.35
            assert all(len(text.get_text()) < 170 for text in axes.texts)


@pytest.mark.long
def test_picture_changes_during_a_race(tmp_path):
    """The requests of the first race last until a picture has come that shows them under way."""
    seen = tmp_path / "seen"
    until_seen = f"""

@app.get("/until_seen")
async def until_seen():
    import os
    while not os.path.exists({str(seen)!r}):
        pause(0.02)
    pause(0.1)
"""
    notebook = notebook_of(
        "from autograder import lab\n%load_ext autograder.lab",
        "%%app shop.py\n" + SHOP + until_seen,
        "race = await lab.race('/until_seen', n=4)",
        "import asyncio\nlab.allow_asyncio_run()\nsync = asyncio.run(lab.race('/free?wait=0.1', n=2))\nprint(sync.sentence)",
        "lab.side_by_side(race, sync)",
        "%%app shop.py\nfrom fastapi import FastAPI\nprint(1\n",
        "%%app\nx",
        "%%app json.py\nx",
    )
    notebook, updates = run_notebook(notebook, tmp_path, on_picture=lambda index, data: seen.touch())
    assert_quiet(notebook)
    frames = [data for index, data in updates if index == 2]
    assert len({data["text/html"] for data in frames}) >= 2
    assert "so far" in frames[0]["text/plain"]
    assert frames[-1]["text/plain"].startswith("shop.py, /until_seen: 4 requests took")
    kept = pictures(notebook.cells[2])
    assert len(kept) == 1 and kept[0]["text/plain"] == frames[-1]["text/plain"]
    assert "stayed free" in printed(notebook.cells[3])
    assert len(pictures(notebook.cells[4])) == 1
    assert "line 3" in printed(notebook.cells[5]) and "SyntaxError" in printed(notebook.cells[5])
    assert "file's name behind %%app" in printed(notebook.cells[6])
    assert "hide the library" in printed(notebook.cells[7])


def test_caption_leaves_verdict_to_check():
    """A check's message says whether the loop was blocked, so only the picture's alternative text repeats it."""
    requests = [Request(i, "/tea", start=0.0, end=1.0, status=200) for i in range(3)]
    race = Race("/tea", "beans.py", requests, end=1.0, judged=True)
    shown = timeline.bundle(lab.draw(race), race.sentence, caption=race.caption)["text/html"]
    assert "event loop" in race.sentence and "event loop" not in shown.partition("<figcaption>")[2]
    assert 'alt="' + html.escape(race.sentence) in shown
    assert Race("/tea", "beans.py", requests, end=1.0).caption == race.sentence
