"""The picture of a load: latencies over time, a lane for the canary and one for each route, and the loop below.

A lane is a logarithmic scale of latencies from 1 ms to 10 s. A column is half a second: dark up to the 50th percentile,
pale up to the 95th, paler up to the 99th. The text on the right has the percentiles of the whole load. Where the canary
raises an alert, its column is hatched and has an exclamation mark.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autograder.lab import timeline
from autograder.lab.percentiles import ALERT_S, QUANTILES, WINDOW, milliseconds, quantiles
from autograder.lab.timeline import BLOCKED, CPU_WAIT, FREE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from autograder.lab.load import Load


GOOD, BAD = "#4c78a8", "#c8452d"
LOWEST, DECADES = 0.001, 4  # from 1 ms to 10 s
LANE, GAP = 1.0, 0.35


def draw(load: Load, now: float | None = None) -> Figure:
    """Return the `Figure` of a load; ``now`` (seconds since it began) while it's running."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with timeline.drawing:
        routes = list(load.routes)
        rows = len(routes) + 1
        figure = Figure(figsize=(timeline.WIDTH, 1.6 + 0.42 * rows), layout=ConstrainedLayoutEngine(w_pad=0.2))
        axes = figure.subplots()
        span = max(load.lasts, (now or load.seconds) * 1.02, WINDOW)
        for row, route in enumerate([None, *routes]):
            _lane(axes, row * (LANE + GAP), load, route, now, span)
        bottom = rows * (LANE + GAP)
        _loop(axes, bottom, load, now, span)
        axes.set_ylim(bottom + 1.3, -1.1)
        axes.set_xlim(0, span)
        axes.set_xlabel(
            "seconds since the load began; the latencies of a lane reach from 1 ms to 10 s, on a logarithmic scale"
        )
        middles = [row * (LANE + GAP) + LANE / 2 for row in range(rows)]
        axes.set_yticks([*middles, bottom + 0.3], ["canary", *(timeline.short(r, 18) for r in routes), "event loop"])
        axes.tick_params(axis="y", length=0, pad=26)  # the scale of each lane stands between it and its name
        for place, words in enumerate(("p50", "p95", "p99")):
            axes.text(
                span * (1.08 + 0.09 * place), -0.35, words, fontsize=8, fontweight="bold", va="center", ha="right"
            )
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.set_title(load.name, loc="left", fontsize=11)
        return figure


def _height(seconds: float) -> float:
    """Return the position of a latency in its lane: 0 for the lowest, 1 for the highest."""
    return min(max(math.log10(max(seconds, LOWEST) / LOWEST) / DECADES, 0.0), 1.0)


def _lane(axes: Axes, top: float, load: Load, route: str | None, now: float | None, span: float) -> None:
    from matplotlib.collections import PolyCollection

    base = top + LANE
    axes.hlines([base - decade / DECADES for decade in range(DECADES + 1)], 0, span, color="#dddddd", lw=0.5, zorder=0)
    for decade in range(1, DECADES):
        words = milliseconds(LOWEST * 10**decade)
        axes.text(0, base - decade / DECADES, words, fontsize=5.5, color="#666666", va="center", ha="right", zorder=4)
    windows = load.windows(route, now)
    # a route may take as long as the services that it waits for; the canary waits only for the loop
    late = [route is None and at[99] > ALERT_S for _, at in windows]
    for group, color, hatch in ((False, GOOD, None), (True, BAD, "///")):
        for quantile, alpha in ((99, 0.25), (95, 0.5), (50, 1.0)):
            corners = [
                _column(start, base, _height(at[quantile]))
                for (start, at), is_late in zip(windows, late, strict=True)
                if is_late is group
            ]
            marks = hatch if quantile == 50 else None
            axes.add_collection(
                PolyCollection(corners, facecolors=color, alpha=alpha, hatch=marks, edgecolors="white", lw=0, zorder=2)
            )
    if route is None:
        level = base - _height(ALERT_S)
        axes.hlines(level, 0, span, color="black", lw=1, linestyle=":", zorder=3)
        axes.text(span, level, "alert ", fontsize=7, va="bottom", ha="right", zorder=4)
        for start, _ in (window for window, is_late in zip(windows, late, strict=True) if is_late):
            axes.text(start + WINDOW / 2, top, "!", fontsize=9, fontweight="bold", ha="center", va="bottom")
    at = quantiles([seconds for _, seconds in load.latencies(route, now)])
    for place, quantile in enumerate(QUANTILES):
        axes.text(
            span * (1.08 + 0.09 * place),
            top + LANE / 2,
            milliseconds(at[quantile]),
            fontsize=8,
            va="center",
            ha="right",
        )


def _column(start: float, base: float, height: float) -> list[tuple[float, float]]:
    left, right, top = start + 0.1 * WINDOW, start + 0.9 * WINDOW, base - max(height, 0.02) * LANE
    return [(left, base), (left, top), (right, top), (right, base)]


def _loop(axes: Axes, top: float, load: Load, now: float | None, span: float) -> None:
    axes.broken_barh([(0, span if now is None else now)], (top, 0.6), facecolor=FREE, linewidth=0)
    blocks = load.blocks_at(now)
    waits = timeline.cpu_wait_pieces([*blocks, *load.not_blamed])
    for pieces, color, hatch in ((waits, CPU_WAIT, ".."), (timeline.held_pieces(blocks), BLOCKED, "///")):
        if pieces:
            axes.broken_barh(pieces, (top, 0.6), facecolor=color, hatch=hatch, edgecolor="white", linewidth=0)
    if not blocks:
        axes.text(span * 0.01, top + 0.3, load.lane_at(now), va="center", fontsize=8)
        return
    worst = max(blocks, key=lambda block: block.seconds)
    who = f"line {worst.line}, {worst.code}" if worst.in_app else worst.cause
    label = axes.text(
        0,
        top + 0.95,
        f"{load.lane_at(now)}; the longest: {timeline.short(who, 60)}",
        va="center",
        fontsize=8.5,
        color="#7a1f10",
        fontweight="bold",
    )
    label.set_in_layout(False)
