"""``./course bench drawing``: measure how much the live picture slows a race down.

The same races run in a notebook's kernel alternately with and without live drawing. The noise is how much the races
without drawing differ from each other, so it shows whether the machine is busy with other things.
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
    "all": "from the first request to the last response",
    "quickest": "the quickest request",
    "canary": "the slowest canary",
    "blocked": "the loop was blocked",
}
SMALL = 0.05  # relative differences below this are ignored, because no picture shows them
LIMIT = 120  # s for a cell, which ends a cell that hangs


def main(rounds):
    """Print the times of races with and without drawing and their ratios. Return 1 if drawing makes a measurable difference."""
    from jupyter_client.manager import KernelManager

    print(f"{rounds} rounds: two races each, with and without live drawing, in random order", flush=True)
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
    print(f"one frame takes {1000 * frame:.0f} ms of CPU: at most {1 / frame:.0f} frames a second on an idle core")
    return code


def _races(client, rounds):
    """Run the races and return their figures, by (path, whether it was drawn). Those of a drawn race include ``frames`` a second."""
    seen = {}
    kinds = [(path, show) for path in ("/waits", "/blocks") for show in (False, True)]
    for path, show in kinds:  # the first race of each kind includes imports, so it doesn't count
        _run(client, RACE.format(path=path, show=show))
    for number in range(1, rounds + 1):
        for path, show in random.sample(kinds, len(kinds)):
            printed, frames = _run(client, RACE.format(path=path, show=show))
            figures = json.loads(printed)
            if show:
                figures["frames"] = frames / figures["all"]
            seen.setdefault((path, show), []).append(figures)
        print(f"round {number} of {rounds} is done", flush=True)
    return seen


def _run(client, code):
    """Run a cell. Return what it printed and how many pictures it showed before its last one."""
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
    """Print the table. Return 1 if a difference exceeds the noise, else 0."""
    visible = False
    print(f"\n{'median of':44}{'not drawn':>10}{'drawn':>10}{'ratio':>8}{'noise':>8}")
    for path, names in (("/waits", ("all", "quickest", "canary")), ("/blocks", ("all", "quickest", "blocked"))):
        for name in names:
            plain, drawn = ([race[name] for race in seen[path, show]] for show in (False, True))
            ratio, noise = compared(plain, drawn)
            differs = abs(ratio - 1) > max(noise, SMALL)
            visible |= differs and name != "canary"
            print(
                f"{path + ', ' + FIGURES[name]:44}{statistics.median(plain):8.3f} s{statistics.median(drawn):8.3f} s"
                f"{ratio:8.3f}{noise:8.3f}{'  more than the noise' if differs else ''}"
            )
    for path in ("/waits", "/blocks"):
        frames = statistics.median(race["frames"] for race in seen[path, True])
        print(f"{path}, frames a second: {frames:.1f}")
    print(
        "ratio: drawn divided by not drawn. noise: the range of the races that weren't drawn, divided by their median."
    )
    return int(visible)


def compared(plain, drawn):
    """Return the ratio of the medians, and the range of the plain ones divided by their median."""
    middle = statistics.median(plain)
    return statistics.median(drawn) / middle, (max(plain) - min(plain)) / middle
