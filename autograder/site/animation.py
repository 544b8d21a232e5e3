"""The animated races of the front page and the README: ten requests to a blocking app and to the fixed one, as measured."""

import asyncio
import html
import tempfile
from pathlib import Path

from autograder import lab
from autograder.lab import Race

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
BLOCKING, FIXED = "time.sleep(0.2)", "await asyncio.sleep(0.2)"
LEFT, WIDTH, RIGHT, ROW, TOP = 104, 476, 600, 19, 8  # of the drawing, in SVG units
CAPTION = 30  # height of the line above a drawing, in SVG units

# The site's style sheet has the same rules, but a separate SVG file needs its own.
STYLE = """
svg { --request: #4c78a8; --free: #cfe8cf; --red: #c8452d; --ink: #1c1c1c; font-family: sans-serif }
text { fill: var(--ink); font-size: 17px } .caption { font-size: 18px } .mono { font-family: monospace }
.tick { font-size: 15px } .said { font-weight: bold; font-size: 19px } .axis { stroke: var(--ink) }
.now { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; opacity: 0 }
.request { fill: var(--request) } .free { fill: var(--free) } .red { fill: var(--red) }
.stripe { fill: #fff; fill-opacity: .55 }
.state { font-weight: bold; paint-order: stroke; stroke: #fff; stroke-width: 4px }
@media (prefers-reduced-motion: no-preference) {
  rect.request, rect.free, rect.blocked { transform-box: fill-box; transform-origin: left; animation: grow linear both }
  .said { animation: appear .2s linear both }
  .now { animation: pass var(--span) linear both }
}
@keyframes grow { from { transform: scaleX(0) } to { transform: scaleX(1) } }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
@keyframes pass { from { opacity: 1 } 99% { opacity: 1 } to { opacity: 0; transform: translateX(var(--way)) } }
"""


def page() -> str:
    """Race, and return both races as HTML with SVG that CSS animates, unless the reader prefers reduced motion."""
    blocked, fixed = asyncio.run(races())
    span = _span(blocked, fixed)
    panels = _panel(blocked, "blocked", BLOCKING, span) + _panel(fixed, "fixed", FIXED, span)
    return f'<div class="races" style="--span:{span:.2f}s">{panels}</div>'


def picture(blocked: Race, fixed: Race) -> str:
    """Return the two races as an SVG file. Its animation runs once, in real time."""
    span = _span(blocked, fixed)
    height = TOP + ROW * len(blocked.requests) + 10 + ROW + 8 + 20
    label = html.escape(f"{BLOCKING}: {blocked.sentence} {FIXED}: {fixed.sentence}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {RIGHT} {2 * (height + CAPTION)}" role="img" '
        f'aria-label="{label}" style="--span:{span:.2f}s">',
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
    ]
    for i, (race, kind, line) in enumerate(((blocked, "blocked", BLOCKING), (fixed, "fixed", FIXED))):
        y = i * (height + CAPTION)
        parts.append(
            f'<text class="caption" x="8" y="{y + 20}"><tspan font-weight="bold">{kind}</tspan> '
            f'<tspan class="mono">{html.escape(line)}</tspan></text>'
            f'<g transform="translate(0 {y + CAPTION})">{_drawing(race, kind, span)}</g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _span(blocked: Race, fixed: Race) -> float:
    """Return the length of the time axis of both drawings, in seconds."""
    return 1.04 * max(blocked.seconds, *(block.end for block in blocked.blocked), fixed.seconds)


async def races() -> list[Race]:
    """Race ten requests against the blocking app and ten against the fixed app. Return both races."""
    raced = []
    with tempfile.TemporaryDirectory() as folder:
        for line in (BLOCKING, FIXED):
            file = Path(folder) / "cafe.py"
            file.write_text(APP.lstrip().format(line=line), encoding="utf-8")
            lab.serve(file)
            try:
                raced.append(await lab.race("/coffee", n=10))
            finally:
                lab.stop()
    return raced


def _panel(race: Race, kind: str, line: str, span: float) -> str:
    """Return one race as an HTML figure with a caption."""
    axis = TOP + ROW * len(race.requests) + 10 + ROW + 8
    return f"""<figure>
<figcaption><b>{kind}</b> <code>{html.escape(line)}</code></figcaption>
<svg viewBox="0 0 {RIGHT} {axis + 20}" role="img" aria-label="{html.escape(race.sentence)}">
{_drawing(race, kind, span)}
</svg></figure>
"""


def _drawing(race: Race, kind: str, span: float) -> str:
    """Return the SVG elements of one race: a bar for each request, the event loop's lane, and the time axis."""
    rows = sorted(race.requests, key=lambda request: request.end or 0.0)
    lane = TOP + ROW * len(rows) + 10
    axis = lane + ROW + 8

    def bar(css, start, end, y, height):
        x, width = LEFT + WIDTH * start / span, max(WIDTH * (end - start) / span, 1)
        move = f"animation-delay:{start:.3f}s;animation-duration:{end - start:.3f}s"
        fill = f' fill="url(#hatch-{kind})"' if css == "blocked" else ""
        return f'<rect class="{css}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" style="{move}"{fill}/>'

    bars = "".join(bar("request", r.start, r.end, TOP + ROW * i, ROW - 5) for i, r in enumerate(rows))
    loop = bar("free", 0, span, lane, ROW - 3)
    loop += "".join(bar("blocked", b.start, min(b.start + b.seconds, span), lane, ROW - 3) for b in race.blocked)
    done = f"animation-delay:{race.seconds:.3f}s"
    ends = LEFT + WIDTH * race.seconds / span
    # right of the last bar if there's room, else at the right end of the first row
    total = (
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
    return f"""<defs><pattern id="hatch-{kind}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="7" height="7" class="red"/><rect width="2.5" height="7" class="stripe"/></pattern></defs>
<text class="name" x="{LEFT - 8}" y="{TOP + ROW * 5}" text-anchor="end">requests</text>{bars}
<text class="name" x="{LEFT - 8}" y="{lane + 13}" text-anchor="end">event loop</text>{loop}
<text class="state" x="{LEFT + 6}" y="{lane + 13}">{state}</text>
<line class="axis" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{axis}" y2="{axis}"/>{ticks}{total}
<line class="now" x1="{LEFT}" x2="{LEFT}" y1="{TOP - 4}" y2="{axis}" style="--way:{WIDTH}px"/>"""
