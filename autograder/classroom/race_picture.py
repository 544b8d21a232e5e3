"""The picture of a student's race for the feedback page, as a small SVG.

A worker that grades keeps only numbers and one sentence of a race. The picture is drawn from them where the page is made,
without matplotlib, because a class has hundreds. Nothing in it is trusted: the sentence and the title quote student code.
"""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from autograder.lab import timeline
from autograder.lab.race import ACCUSED_FROM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.lab.race import Race

LEFT, WIDTH, RIGHT, ROW, TOP = 104, 560, 690, 15, 10  # of the drawing, in pixels
REQUESTS_MAX, PIECES_MAX, TEXT_MAX = (
    40,
    60,
    600,
)  # limits for one race, because an app decides how many there are, and how long
TICKS = 5  # at most so many numbers along the axis


def of_verdict(races: Sequence[Race], failed: bool, title: str) -> dict[str, Any] | None:
    """Return the `summary` of one of a verdict's races under a title, or None if there is none to draw."""
    race = chosen(races, failed)
    if race is None:
        return None
    race.title = title
    return summary(race)


def chosen(races: Sequence[Race], failed: bool) -> Race | None:
    """Return the race of a verdict to draw, of those in the order in which they were run, or None.

    For a FAIL it's one that shows a blocked loop, if there is one: not every race holds what blocks. Of several, the one
    with the most requests shows most, and the newest of those.
    """
    longest = max((race.blocked_seconds for race in races), default=0.0)
    if failed and longest >= ACCUSED_FROM:
        races = [race for race in races if race.blocked_seconds >= longest / 2]
    else:
        races = [race for race in races if len(race.requests) > 1]
    return max(reversed(races), key=lambda race: len(race.requests), default=None)


def summary(race: Race) -> dict[str, Any]:
    """Return what the picture of a race needs, as JSON; times are seconds since it began.

    ``requests`` are lists of start, end (or None) and whether the response was good, in the order of the responses.
    ``blocked`` are lists of start and seconds in which the app's own code blocked the event loop.
    """
    order = sorted(race.requests, key=lambda request: (request.end is None, request.end or 0.0, request.key))
    sent = [request for request in order if request.start is not None][:REQUESTS_MAX]
    pieces = timeline.held_pieces(race.blocked)
    pieces = sorted(sorted(pieces, key=lambda piece: -piece[1])[:PIECES_MAX])
    ends = [race.seconds, *(start + seconds for start, seconds in pieces)]
    return {
        "title": _text(race.name),
        "said": _text(race.sentence),
        "span": round(max(1.04 * max(ends), 0.05), 4),
        "requests": [[_short(r.start or 0.0), None if r.end is None else _short(r.end), r.ok] for r in sent],
        "blocked": [[_short(start), _short(seconds)] for start, seconds in pieces],
    }


def figure(race: dict[str, Any]) -> str:
    """Return the picture of a race with its sentence, as HTML. As an image, the SVG can run nothing."""
    said = html.escape(race["said"])
    data = base64.b64encode(svg(race).encode(errors="replace")).decode()
    return (
        f'<figure style="margin:1em 0"><img style="max-width:100%" alt="{said}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>Your race. {said}</figcaption></figure>"
    )


def svg(race: dict[str, Any]) -> str:
    """Return the picture of a race from its `summary`: a bar for each request, and the lane of the event loop."""
    span = race["span"]
    rows = race["requests"]
    lane = TOP + ROW * len(rows) + 8
    axis = lane + ROW + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {RIGHT} {axis + 20}" width="{RIGHT}" height="{axis + 20}" '
        f'role="img" font-family="sans-serif" font-size="13"><title>{html.escape(race["title"])}</title>',
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="7" height="7" fill="{timeline.BLOCKED}"/><rect width="2.5" height="7" fill="#fff" fill-opacity=".55"/>'
        '</pattern></defs><rect width="100%" height="100%" fill="#fff"/>',
    ]
    for row, (start, end, good) in enumerate(rows):
        color = timeline.WAITING if good else timeline.FAILED
        parts.append(_bar(start, span if end is None else end, span, TOP + ROW * row, ROW - 4, color))
    parts.append(_bar(0, span, span, lane, ROW - 2, timeline.FREE))
    parts += [_bar(start, start + seconds, span, lane, ROW - 2, "url(#hatch)") for start, seconds in race["blocked"]]
    middle = TOP + ROW * len(rows) / 2 + 4
    state = "blocked" if race["blocked"] else "free"
    parts.append(
        f'<text x="{LEFT - 8}" y="{middle:.0f}" text-anchor="end">requests</text>'
        f'<text x="{LEFT - 8}" y="{lane + 11}" text-anchor="end">event loop</text>'
        f'<text x="{LEFT + 5}" y="{lane + 11}" font-weight="bold" paint-order="stroke" stroke="#fff" stroke-width="3">{state}</text>'
        f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{axis}" y2="{axis}" stroke="#1c1c1c"/>'
    )
    for number in range(TICKS):
        moment = span * number / TICKS
        x = LEFT + WIDTH * number / TICKS
        parts.append(f'<text x="{x:.0f}" y="{axis + 15}" text-anchor="middle">{moment:.2f} s</text>')
    return "".join([*parts, "</svg>"])


def _bar(start: float, end: float, span: float, y: int, height: int, color: str) -> str:
    """Return a bar between two moments, inside the drawing."""
    left, right = (LEFT + WIDTH * min(max(moment, 0.0), span) / span for moment in (start, end))
    return f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="{height}" fill="{color}"/>'


def _text(said: str) -> str:
    """Return a text that isn't too long, and that can be written into a file."""
    return said[:TEXT_MAX].encode(errors="replace").decode()


def _short(seconds: float) -> float:
    """Return a time in seconds to a tenth of a millisecond."""
    return round(float(seconds), 4)
