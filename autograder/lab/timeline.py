"""The picture of a race: a bar for each request, a lane for the canary, a lane for the event loop.

Everything that a colour means is also shown by hatching or by a word, and said in `Race.sentence`.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from autograder.lab.predictions import Prediction
    from autograder.lab.race import Blocked, Race, Request


WAITING = "#4c78a8"
FAILED = "#8a8a8a"
FREE = "#cfe8cf"
BLOCKED = "#c8452d"
CPU_WAIT = "#d8cfc0"  # the loop waited for a CPU, which is due to the machine
GOOD = "#3d8b3d"
LATE = "#e8a33d"
GUESS = "#333333"
WIDTH = 9.0  # inches
FINAL_DPI = 144
MARGIN, LETTER = 0.15, 0.085  # inches; the width of a letter of the labels
LABEL = 0.26  # inches from the axis down to the text below its numbers
LEGIBLE = 0.72  # share of its width: with less room, a picture is scrolled instead of shrunk

drawing = threading.Lock()  # matplotlib's font cache and text layout aren't thread-safe


def prepare() -> None:
    """Import what drawing needs, which takes a second of CPU time.

    A notebook does that before its first race. The processes that grade a class never draw.
    """
    from matplotlib.backends import backend_agg  # noqa: F401


def draw(race: Race, now: float | None = None) -> Figure:
    """Return the `Figure` of a race; ``now`` (seconds since it began) while it's running."""
    from matplotlib.figure import Figure

    with drawing:
        height = _height(race)
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.subplots()
        longest = max(map(len, _panel(axes, race, now, _span(race, now))))
        # Margins in inches: matplotlib's automatic layout would double the time of every frame.
        left = MARGIN + LETTER * longest
        figure.subplots_adjust(left=left / WIDTH, right=1 - MARGIN / WIDTH, bottom=0.48 / height, top=1 - 0.32 / height)
        return figure


def compare(before: Race, after: Race, titles: Sequence[str] = ("before", "after")) -> Figure:
    """Return the `Figure` of two races on one time scale, the first on the left."""
    from matplotlib.figure import Figure

    # a prediction belongs to one of them, and is in that one's own picture
    before, after = (dataclasses.replace(race, prediction=None) for race in (before, after))
    with drawing:
        figure = Figure(figsize=(WIDTH * 1.25, max(_height(before), _height(after))), layout="constrained")
        left, right = figure.subplots(1, 2)
        span = max(_span(before, None), _span(after, None))
        _panel(left, before, None, span, title=f"{titles[0]}: {before.name}")
        _panel(right, after, None, span, title=f"{titles[1]}: {after.name}", names=False)
        return figure


def bundle(figure: Figure, text: str, dpi: float = FINAL_DPI, caption: str | None = None) -> dict[str, str]:
    """Return a figure for a notebook: a dictionary of MIME types, with ``text`` as its alternative and below it.

    A ``caption`` stands below the picture instead.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    with drawing:
        figure.set_dpi(dpi)
        FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": 1})
    picture = base64.b64encode(file.getvalue()).decode()
    said, below = html.escape(text), html.escape(text if caption is None else caption)
    width = round(figure.get_figwidth() * 96)
    return {
        "text/html": (
            '<figure class="course-timeline" style="margin:0"><div tabindex="0" style="overflow-x:auto">'
            f'<img alt="{said}" style="display:block;width:100%;min-width:{round(LEGIBLE * width)}px;'
            f'max-width:{width}px;background:#fff;border-radius:4px;padding:4px;box-sizing:border-box" '
            f'src="data:image/png;base64,{picture}"></div>'
            f"<figcaption>{below.replace(chr(10), '<br>')}</figcaption></figure>"
        ),
        "text/plain": text,
    }


def _height(race: Race) -> float:
    return 1.35 + 0.2 * min(len(race.requests), 24)


def _span(race: Race, now: float | None) -> float:
    """Return the width of the time axis in seconds. It grows in steps while a race runs, so that bars don't creep."""
    if now is not None:
        span = 0.5
        while span < now * 1.05:
            span *= 2
    else:
        ends = [race.seconds, *(c.end or 0 for c in race.canaries), *(b.end for b in race.blocked)]
        span = max(max(ends) * 1.04, 0.05)
    guess = race.prediction.seconds if race.prediction else None
    # room for the prediction, but not so much that it squeezes the measured bars
    return max(span, guess * 1.04) if guess is not None and guess <= 4 * span else span


def _panel(
    axes: Axes, race: Race, now: float | None, span: float, title: str | None = None, names: bool = True
) -> list[str]:
    """Draw one race, and return the names of its rows."""
    from matplotlib.transforms import ScaledTranslation

    rows = len(race.requests)
    order = sorted(race.requests, key=_answered)
    _requests(axes, order, now, span)
    _canaries(axes, rows + 0.6, race, now, span)
    _loop(axes, rows + 1.9, race, now, span)
    axes.set_ylim(rows + 3.15, -0.7)
    axes.set_xlim(0, span)
    axes.set_xlabel("seconds since the race began")
    # A frame must be fast: a tick is five artists, and placing a title or a label automatically inspects all of them.
    axes.set_yticks([])
    below = axes.transAxes + ScaledTranslation(0, -LABEL, axes.figure.dpi_scale_trans)
    axes.xaxis.set_label_coords(0.5, 0, transform=below)
    labels: dict[Any, str] = {}
    if names or race.mixed:
        for row in range(0, rows, 1 if rows <= (20 if race.mixed else 12) else 5):  # different requests: label each one
            labels[row] = short(order[row].route, 22) if race.mixed else f"response {row + 1}"
        labels |= {rows + 0.6: "canary", rows + 1.9: "event loop"}
    beside = axes.get_yaxis_transform()
    for row, label in labels.items():
        axes.text(-0.006, row, label, transform=beside, va="center", ha="right")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(title or race.name, loc="left", fontsize=11, y=1.0)
    if race.prediction and race.prediction.seconds is not None:
        _prediction(axes, rows, race.prediction, race.prediction.seconds, span)
    return list(labels.values()) or [""]


def _prediction(axes: Axes, rows: int, prediction: Prediction, where: float, span: float) -> None:
    """Draw a labelled dashed line where the learner expected the end; only the label if that is outside the picture."""
    axes.set_ylim(rows + 3.15, -1.7)
    if where > span:
        where, text = span, f"your prediction: {prediction} →"
    else:
        text = "your prediction"
        axes.plot([where, where], [-0.6, rows - 0.3], color=GUESS, linestyle="--", linewidth=1.5, gid="prediction")
    axes.text(where, -1.1, text, ha="right" if where > span / 2 else "left", va="center", fontsize=8, color=GUESS)


def _answered(request: Request) -> tuple[bool, float, int]:
    """Return a sort key: rows are in the order of the responses, so that a queue looks like a staircase."""
    return (request.end is None, request.end or 0.0, request.key)


def short(text: str, room: int | None) -> str:
    """Return ``text``, cut to ``room`` characters unless that is None."""
    return text if room is None or len(text) <= room else text[: room - 1] + "…"


def _requests(axes: Axes, order: list[Request], now: float | None, span: float) -> None:
    """Draw the bars, with one artist for all that look the same, because each artist costs time in every frame."""
    from matplotlib.collections import PolyCollection

    bars: dict[tuple[bool, bool], list[list[tuple[float, float]]]]
    tips: list[tuple[float, int]]
    bars, tips = {}, []
    for row, request in enumerate(order):
        under_way = request.end is None
        end = now if under_way else request.end
        if request.start is None or end is None:
            continue
        good = request.ok or under_way
        top, bottom = row - 0.35, row + 0.35
        corners = [(request.start, top), (end, top), (end, bottom), (request.start, bottom)]
        bars.setdefault((good, under_way), []).append(corners)
        if under_way:
            tips.append((end, row))
        elif not good:
            label = f" {request.status or 'no response'}"
            axes.text(min(end, span * 0.93), row, label, va="center", ha="left", fontsize=8)
    for (good, under_way), polygons in bars.items():
        axes.add_collection(
            PolyCollection(
                polygons,
                facecolors=WAITING if good else FAILED,
                alpha=0.55 if under_way else 1.0,
                hatch=None if good else "xx",
                edgecolors="white",
                linewidths=0,
            ),
            autolim=False,
        )
    if tips:  # arrows for bars that continue, also as one artist
        axes.plot(*zip(*tips, strict=True), linestyle="", marker=">", markersize=6, color=WAITING, gid="under way")


def _canaries(axes: Axes, row: float, race: Race, now: float | None, span: float) -> None:
    good, late = [], []
    for canary in race.canaries:
        end = canary.end if canary.end is not None else now
        if end is None:
            continue
        seconds = end - canary.start
        piece = (canary.start, seconds)
        if canary.end is not None and canary.answered and not canary.late(now):
            good.append(piece)
        elif canary.late(now):
            late.append(piece)
        # the rest is short and has no response: it was sent just now, or just before the race ended
    # a fast response is narrower than a pixel: a coloured edge makes it visible
    for pieces, color, edge, hatch in ((good, GOOD, GOOD, None), (late, LATE, "white", "..")):
        if pieces:
            axes.broken_barh(pieces, (row - 0.3, 0.6), facecolor=color, hatch=hatch, edgecolor=edge, linewidth=0.5)
    if late:
        start, seconds = max(late, key=lambda piece: piece[1])
        where, side = _beside(start, seconds, span, room=0.16 * span * len(axes.figure.axes))
        axes.text(
            where,
            row,
            f"waited {seconds:.2f} s",
            va="center",
            ha=side,
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )


def _beside(start: float, seconds: float, span: float, room: float) -> tuple[float, str]:
    """Return (place, alignment) of a label that needs ``room``: inside its mark if that is long enough, else next to it."""
    end = start + seconds
    if seconds >= room:
        return start + seconds / 2, "center"
    return (end + 0.01 * span, "left") if end + room <= span else (start - 0.01 * span, "right")


def _loop(axes: Axes, row: float, race: Race, now: float | None, span: float) -> None:
    """Draw the lane of the loop: free, blocked by the app (dark, hatched), or waiting for a CPU (pale, dotted)."""
    end = now if now is not None else span
    axes.broken_barh([(0, end)], (row - 0.35, 0.7), facecolor=FREE, linewidth=0)
    blocks = race.blocks_at(now)
    waits = cpu_wait_pieces([*blocks, *race.not_blamed])
    for pieces, color, hatch in ((waits, CPU_WAIT, ".."), (held_pieces(blocks), BLOCKED, "///")):
        if pieces:
            axes.broken_barh(pieces, (row - 0.35, 0.7), facecolor=color, hatch=hatch, edgecolor="white", linewidth=0)
    said = race.lane_at(now)
    if not blocks:
        axes.text(span * 0.01, row, said, va="center", ha="left", fontsize=8)
        return
    worst = max(blocks, key=lambda block: block.seconds)
    alone = len(axes.figure.axes) == 1
    label = axes.text(
        0,
        row + 0.8,
        f"{said}: {worst.cause_in(max((115 if alone else 65) - len(said), 30))}",
        va="center",
        ha="left",
        fontsize=8.5,
        color="#7a1f10",
        fontweight="bold",
    )
    # a label may be wider than its panel; the layout must not make room for it
    label.set_in_layout(False)


def held_pieces(blocks: Iterable[Blocked]) -> list[tuple[float, float]]:
    """Return [(start, seconds)] in which the app's own code blocked the loop, with adjacent pieces merged.

    It isn't known when during a block the machine made the loop wait, so that is drawn at the end of the block.
    """
    return merged([(block.start, block.seconds) for block in blocks if block.seconds])


def cpu_wait_pieces(blocks: Iterable[Blocked]) -> list[tuple[float, float]]:
    """Return [(start, seconds)] in which the machine made the loop wait."""
    pieces = [(block.end - block.machine_seconds, block.machine_seconds) for block in blocks if block.machine_seconds]
    return merged([piece for piece in pieces if piece[1] >= 0.001])


def merged(pieces: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return pieces of (start, seconds) with gaps of less than 5 ms merged."""
    merged: list[tuple[float, float]] = []
    for start, seconds in sorted(pieces):
        if merged and start - sum(merged[-1]) < 0.005:
            first = merged[-1][0]
            merged[-1] = (first, max(sum(merged[-1]), start + seconds) - first)
        else:
            merged.append((start, seconds))
    return merged
