"""JupyterLab in a real browser: the live plot, an app that breaks, a race that is interrupted, a kernel restarted."""

import re
import time

import pytest
from helpers import gone, until
from jupyterlab_page import CURRENT, frames, output, prompt, run, run_from, wait_for_end, wait_for_kernel

TOOLS = """
from autograder import lab
%load_ext autograder.lab
"""

STALL_MIN_S = """
%%app stall.py
import asyncio
import os
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee():
    time.sleep(0.15)


@app.get("/until_seen")
async def until_seen():
    while not os.path.exists("seen"):
        time.sleep(0.05)


@app.get("/for_ever")
async def for_ever():
    await asyncio.sleep(100_000)


@app.get("/blocked_for_ever")
async def blocked_for_ever():
    time.sleep(100_000)
"""

PIDS = """
from autograder.lab.load_generator_client import load_generator
print("pids:", lab.current().pid, load_generator().process.pid)
"""

STATIC = """
from autograder.lab import timeline
print(timeline.bundle(timeline.draw(race), race.sentence)["text/html"])
"""


def toolbar(page, name):
    return page.locator(f'{CURRENT} [data-jp-item-name="{name}"] :is(button, jp-button)').first


def pids(page, number):
    return [int(pid) for pid in said(page, number, r"pids: (\d+) (\d+)\b").groups()]


def said(page, number, pattern):
    """The match of a pattern in what a cell says; its prompt may show that it has ended before the last of that is there."""
    wait_for_end(page, number)
    return until(lambda: re.search(pattern, output(page, number).inner_text()), 120)


@pytest.mark.heavy
def test_plot_moves_then_stands_still(page, lab):
    """The plot changes while a race runs and ends as the static picture of the same race."""
    lab.write("scratch/moving.ipynb", TOOLS, STALL_MIN_S, 'race = await lab.race("/until_seen", n=4)', STATIC)
    lab.open(page, "scratch/moving.ipynb")
    run_from(page, 0, 3)
    under_way = until(lambda: (seen := [picture for _, picture in frames(page)]) and len(set(seen)) >= 4 and seen, 120)
    # however slowly the machine draws: the requests end when four different frames were seen
    (lab.folder / "scratch" / "seen").touch()
    run(page, 3)
    static = said(page, 3, r'src="([^"]+)"').group(1)
    assert output(page, 2).locator("img").get_attribute("src") == static == frames(page)[-1][1]
    assert static not in under_way


@pytest.mark.heavy
def test_broken_app_names_its_line(page, lab):
    """A file that can't be parsed gives one message with its line, and no traceback."""
    broken = STALL_MIN_S.replace("time.sleep(0.15)", "time.sleep(0.15")
    lab.write(
        "scratch/broken.ipynb", TOOLS, STALL_MIN_S, broken, 'await lab.race("/coffee")', 'await lab.race("/coffee")'
    )
    lab.open(page, "scratch/broken.ipynb")
    run_from(page, 0, 4)
    assert said(page, 3, "did not start")
    assert "stall.py cannot be read as Python" in said(page, 2, r"(?s).*line 1\d:.*").group()
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()


@pytest.mark.heavy
def test_interrupt_ends_the_server(page, lab):
    """Interrupting a race ends its server, prints one message, and the notebook goes on."""
    lab.write(
        "scratch/interrupted.ipynb",
        TOOLS,
        STALL_MIN_S,
        PIDS,
        'await lab.race("/blocked_for_ever", n=4)',
        'print("goes on")',
    )
    lab.open(page, "scratch/interrupted.ipynb")
    run_from(page, 0, 4)
    server, _ = pids(page, 2)
    output(page, 3).locator("figure").get_by_text("so far").first.wait_for()
    assert not gone(server)
    began = time.monotonic()
    toolbar(page, "interrupt").click()
    until(lambda: gone(server), 120)
    server_gone = time.monotonic() - began
    output(page, 3).get_by_text("Interrupted. Nothing is lost: run the cell again.").wait_for()
    print(f"after the click: server gone {server_gone:.2f} s, the message {time.monotonic() - began:.2f} s")
    run(page, 4)
    output(page, 4).get_by_text("goes on").wait_for()


@pytest.mark.heavy
def test_kernel_restart_leaves_no_process(page, lab):
    """Restarting the kernel during a race ends the server and the load generator."""
    lab.write("scratch/restarted.ipynb", TOOLS, STALL_MIN_S, PIDS, 'await lab.race("/for_ever", n=4)')
    lab.open(page, "scratch/restarted.ipynb")
    run_from(page, 0, 4)
    server, load_generator = pids(page, 2)
    output(page, 3).locator("figure").get_by_text("so far").first.wait_for()
    began = time.monotonic()
    toolbar(page, "restart").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    until(lambda: gone(server) and gone(load_generator), 120)
    print(f"after the restart: server and load generator gone {time.monotonic() - began:.2f} s")
    until(lambda: prompt(page, 3).inner_text().strip() != "[*]:", 120)
    wait_for_kernel(page)
    run(page, 0)
    run(page, 1)
    output(page, 1).get_by_text("is saved and served").wait_for()
