"""``./course bench drawing``: what drawing a race while it runs costs the race.

The same races run in a notebook's kernel with live drawing and without it, in turns.  The noise is how far the races
without drawing lie from each other, so a machine that is busy with other things shows that itself.
"""

import json
import random
import statistics
import tempfile
from pathlib import Path

APP = """
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/waits")
async def waits():
    await asyncio.sleep(1)


@app.get("/blocks")
async def blocks():
    time.sleep(0.1)
"""
START = """
import json
from autograder import lab
app = lab.serve("drawn.py")
"""
RACE = """
race = await lab.race({path!r}, n=10, show={show})
print(json.dumps(dict(all=race.seconds, quickest=race.quickest, canary=race.worst_canary, blocked=race.blocked_seconds)))
"""
COST = """
import time
from autograder.lab import live_plot
began = time.thread_time()
for _ in range(10):
    live_plot.Drawing(race)._frame(race.seconds / 2)
print((time.thread_time() - began) / 10)
"""
FIGURES = {
    "all": "from the first request to the last answer",
    "quickest": "the quickest request",
    "canary": "the slowest canary",
    "blocked": "the loop was blocked",
}
SMALL = 0.05  # a difference below this is not looked at: no picture shows it
LIMIT = 120  # s for a cell: it ends what hangs


def main(rounds):
    """Print the figures of races with and without drawing, and their ratios.  Returns 1 if drawing can be told apart."""
    from jupyter_client.manager import KernelManager

    print(f"{rounds} rounds: two races each, with live drawing and without, in a new order each time", flush=True)
    with tempfile.TemporaryDirectory(prefix="course-drawing-") as folder:
        (Path(folder) / "drawn.py").write_text(APP.lstrip(), encoding="utf-8")
        manager = KernelManager(kernel_name="python3", transport_encryption="auto")
        manager.start_kernel(cwd=folder)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=LIMIT)
            _run(client, START)
            seen = _races(client, rounds)
            frame = float(_run(client, COST)[0])
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=False)
    code = _report(seen)
    print(
        f"one frame takes {1000 * frame:.0f} ms of CPU: at most {1 / frame:.0f} a second on a core with nothing else to do"
    )
    return code


def _races(client, rounds):
    """(path, shown) -> a list of figures; a race with drawing has its ``frames`` a second among them."""
    seen = {}
    turns = [(path, show) for path in ("/waits", "/blocks") for show in (False, True)]
    for path, show in turns:  # the first race of a kind finds nothing warm
        _run(client, RACE.format(path=path, show=show))
    for number in range(1, rounds + 1):
        for path, show in random.sample(turns, len(turns)):
            printed, frames = _run(client, RACE.format(path=path, show=show))
            figures = json.loads(printed)
            if show:
                figures["frames"] = frames / figures["all"]
            seen.setdefault((path, show), []).append(figures)
        print(f"round {number} of {rounds} is done", flush=True)
    return seen


def _run(client, code):
    """Run a cell; returns what it printed and how many pictures it showed before its last one."""
    wanted = client.execute(code)
    printed, pictures = "", 0
    while True:
        message = client.get_iopub_msg(timeout=LIMIT)
        if message["parent_header"].get("msg_id") != wanted:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            printed += content["text"]
        elif kind in ("display_data", "update_display_data"):
            pictures += 1
        elif kind == "error":
            raise RuntimeError("\n".join(content["traceback"]))
        elif kind == "status" and content["execution_state"] == "idle":
            return printed, max(pictures - 1, 0)


def _report(seen):
    visible = False
    print(f"\n{'median of':44}{'not drawn':>10}{'drawn':>10}{'ratio':>8}{'noise':>8}")
    for path, names in (("/waits", ("all", "quickest", "canary")), ("/blocks", ("all", "quickest", "blocked"))):
        for name in names:
            plain, drawn = ([race[name] for race in seen[path, show]] for show in (False, True))
            ratio, noise = compared(plain, drawn)
            apart = abs(ratio - 1) > max(noise, SMALL)
            visible |= apart and name != "canary"
            print(
                f"{path + ', ' + FIGURES[name]:44}{statistics.median(plain):8.3f} s{statistics.median(drawn):8.3f} s"
                f"{ratio:8.3f}{noise:8.3f}{'  more than the noise' if apart else ''}"
            )
    for path in ("/waits", "/blocks"):
        frames = statistics.median(race["frames"] for race in seen[path, True])
        print(f"{path}, frames a second: {frames:.1f}")
    print("ratio: drawn through not drawn. noise: the range of the races that were not drawn, through their median.")
    return int(visible)


def compared(plain, drawn):
    """The ratio of the medians, and the range of the plain ones as a part of their median."""
    middle = statistics.median(plain)
    return statistics.median(drawn) / middle, (max(plain) - min(plain)) / middle
