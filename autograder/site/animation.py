"""The race on the front page: the same ten requests, blocked and repaired, moving as they did when it was measured."""

import asyncio
import html
import tempfile
from pathlib import Path

from autograder import lab

APP = """
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee():
    {line}
    return {{"coffee": "ready"}}
"""
BLOCKING, REPAIRED = "time.sleep(0.2)", "await asyncio.sleep(0.2)"
LEFT, WIDTH, RIGHT, ROW, TOP = 104, 476, 600, 19, 8  # the drawing, in its own units


def page():
    """The two races as HTML: SVG that CSS moves, and that stands still for those who asked for less motion."""
    blocked, repaired = asyncio.run(_races())
    span = 1.04 * max(blocked.seconds, *(block.end for block in blocked.blocked), repaired.seconds)
    panels = _panel(blocked, "blocked", BLOCKING, span) + _panel(repaired, "repaired", REPAIRED, span)
    return f'<div class="races" style="--span:{span:.2f}s">{panels}</div>'


async def _races():
    races = []
    with tempfile.TemporaryDirectory() as folder:
        for line in (BLOCKING, REPAIRED):
            file = Path(folder) / "cafe.py"
            file.write_text(APP.lstrip().format(line=line), encoding="utf-8")
            lab.serve(file)
            try:
                races.append(await lab.race("/coffee", n=10))
            finally:
                lab.stop()
    return races


def _panel(race, kind, line, span):
    rows = sorted(race.requests, key=lambda request: request.end)
    lane = TOP + ROW * len(rows) + 10
    axis = lane + ROW + 8

    def bar(css, start, end, y, height):
        x, width = LEFT + WIDTH * start / span, max(WIDTH * (end - start) / span, 1)
        move = f"animation-delay:{start:.3f}s;animation-duration:{end - start:.3f}s"
        look = f' fill="url(#hatch-{kind})"' if css == "blocked" else ""
        return f'<rect class="{css}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" style="{move}"{look}/>'

    bars = "".join(bar("request", r.start, r.end, TOP + ROW * i, ROW - 5) for i, r in enumerate(rows))
    loop = bar("free", 0, span, lane, ROW - 3)
    loop += "".join(bar("blocked", b.start, min(b.start + b.seconds, span), lane, ROW - 3) for b in race.blocked)
    done = f"animation-delay:{race.seconds:.3f}s"
    ends = LEFT + WIDTH * race.seconds / span
    # beside the last bar if there is room, else under its own right end
    said = (
        f'<text class="said" style="{done}" x="{ends + 8:.0f}" y="{TOP + ROW * 5}">all ten: {race.seconds:.1f} s</text>'
        if ends + 130 < RIGHT
        else f'<text class="said" style="{done}" x="{LEFT + WIDTH - 6}" y="{TOP + ROW}" text-anchor="end">'
        f"all ten: {race.seconds:.1f} s</text>"
    )
    ticks = "".join(
        f'<text class="tick" x="{LEFT + WIDTH * second / span:.1f}" y="{axis + 14}" text-anchor="middle">{second} s</text>'
        for second in range(int(span) + 1)
    )
    state = "blocked" if race.blocked else "free"
    return f"""<figure>
<figcaption><b>{kind}</b> <code>{html.escape(line)}</code></figcaption>
<svg viewBox="0 0 {RIGHT} {axis + 20}" role="img" aria-label="{html.escape(race.sentence)}">
<defs><pattern id="hatch-{kind}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="7" height="7" class="red"/><rect width="2.5" height="7" class="stripe"/></pattern></defs>
<text class="name" x="{LEFT - 8}" y="{TOP + ROW * 5}" text-anchor="end">requests</text>{bars}
<text class="name" x="{LEFT - 8}" y="{lane + 13}" text-anchor="end">event loop</text>{loop}
<text class="state" x="{LEFT + 6}" y="{lane + 13}">{state}</text>
<line class="axis" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{axis}" y2="{axis}"/>{ticks}{said}
<line class="now" x1="{LEFT}" x2="{LEFT}" y1="{TOP - 4}" y2="{axis}" style="--way:{WIDTH}px"/>
</svg></figure>
"""
