"""What a learner does to a kernel: interrupts it, forgets an await, kills it."""

import queue
import re
import textwrap

import pytest
from helpers import gone, is_picture, until
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.long  # each starts a kernel

SLOW = """
%%app slow.py
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/free")
async def free():
    await asyncio.sleep(1000)


@app.get("/blocked")
async def blocked():
    time.sleep(1000)


@app.get("/quick")
async def quick():
    return 1
"""


class Kernel:
    def __init__(self, folder):
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder))

    def begin(self, code):
        return self.client.execute(textwrap.dedent(code).strip())

    def outputs(self, wanted, limit=120):
        """All messages of one execution until the kernel is idle again."""
        found = []
        while True:
            message = self.client.get_iopub_msg(timeout=limit)
            if message["parent_header"].get("msg_id") != wanted:
                continue
            found.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return found

    def run(self, code):
        return self.outputs(self.begin(code))

    def text(self, code):
        return "".join(said(message) for message in self.run(code))

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def said(message):
    content = message["content"]
    if message["msg_type"] == "stream":
        return content["text"]
    if message["msg_type"] == "error":
        return "\n".join(content["traceback"])
    if message["msg_type"] == "execute_result":
        return content["data"]["text/plain"]
    return ""


def pictured(message, kind="display_data"):
    return message["msg_type"] == kind and is_picture(message["content"]["data"])


@pytest.fixture
def kernel(tmp_path):
    kernel = Kernel(tmp_path)
    kernel.run("from autograder import lab\n%load_ext autograder.lab")
    assert "is saved and served" in kernel.text(SLOW)
    yield kernel
    kernel.close()


@pytest.mark.parametrize("path", ["/free", "/blocked"])
def test_interrupt_ends_only_the_race(kernel, path):
    """An interrupt ends the race with one message and a last picture; the server goes on."""
    race = kernel.begin(f"race = await lab.race('{path}', n=3)")
    drawn = False
    while not drawn:  # the race has begun when its first picture is there
        message = kernel.client.get_iopub_msg(timeout=120)
        drawn = message["parent_header"].get("msg_id") == race and pictured(message)
    kernel.manager.interrupt_kernel()
    messages = kernel.outputs(race)
    text = "".join(said(message) for message in messages)
    assert "Interrupted. Nothing is lost" in text and "Traceback" not in text
    pictures = [m["content"]["data"]["text/plain"] for m in messages if pictured(m, "update_display_data")]
    assert "not finished, 0 of 3 requests were answered" in pictures[-1]
    assert kernel.text("print((await lab.race('/quick', n=2)).requests[0].body)").strip() == "1"


def test_forgotten_await_is_reported(kernel):
    assert "Write `await` before the call: await race(...)" in kernel.text("lab.race('/quick', n=1)")
    assert re.match(r"<Race: slow.py, /quick: ", kernel.text("await lab.race('/quick', n=1)").strip())


def test_killing_the_kernel_leaves_nothing(kernel):
    pids = kernel.text(
        "from autograder.lab.load_generator_client import load_generator\nprint(lab.current().pid, load_generator().process.pid)"
    )
    kernel.begin("await lab.race('/blocked', n=3)")
    until(lambda: _drawn(kernel))
    kernel.manager.signal_kernel(9)
    for pid in map(int, pids.split()):
        until(lambda pid=pid: gone(pid), 30)


def _drawn(kernel):
    try:
        return pictured(kernel.client.get_iopub_msg(timeout=1))
    except queue.Empty:
        return False


LINE = """
import time
from autograder.lab import progress
progress.AFTER = {after}
with progress.doing("waiting <here>"):
    time.sleep({seconds})
"""


def lines(messages):
    """What the progress line of a cell said, one after the other."""
    kinds = ("display_data", "update_display_data")
    return [m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] in kinds]


def test_slow_cell_shows_its_progress(kernel):
    """A slow cell shows one line of progress, which is gone at the end."""
    kernel.run("from autograder.lab import progress\nprogress.AFTER = 0.1")
    *during, last = lines(kernel.run(LINE.format(after=0.1, seconds=1)))
    assert during and all(re.fullmatch(r"\d+ s: waiting <here>", line) for line in during)
    assert last == ""


def test_quick_cell_shows_no_progress(kernel):
    """A quick cell shows no line of progress."""
    kernel.run("from autograder.lab import progress\nprogress.AFTER = 600")
    assert lines(kernel.run(LINE.format(after=600, seconds=0.1))) == []


def test_race_shows_no_progress_line(kernel):
    """While a race draws its picture, no line of progress is shown."""
    kernel.run("from autograder.lab import progress\nprogress.AFTER = 0.05")
    shown = [
        m for m in kernel.run("with progress.pictured():\n    __import__('time').sleep(0.5)") if "data" in m["content"]
    ]
    assert shown == []
    drawn = "drawing = live_plot.Drawing(race)\ndrawing.start()\nprint(progress._pictures)\nawait drawing.finish()\nprint(progress._pictures)"
    assert kernel.text(
        "from autograder.lab import live_plot\nrace = await lab.race('/quick', n=1)\n" + drawn
    ).split() == [
        "1",
        "0",
    ]


def test_a_grade_shows_no_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    kernel = Kernel(tmp_path)
    kernel.run("from autograder.lab import progress\nprogress.AFTER = 0.05\n%load_ext autograder.lab")
    assert lines(kernel.run(LINE.format(after=0.05, seconds=0.5))) == []
    kernel.close()
