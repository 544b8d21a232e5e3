"""Percentiles of latencies: what half, 19 of 20 and 99 of 100 guests did not wait longer than."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


QUANTILES = (50, 95, 99)
WINDOW = 0.5  # s of a load that are summed up together
PAGER = 0.1  # s: the pager rings in a window in which the canary's 99th percentile is above this


def quantiles(values: Iterable[float]) -> dict[int, float]:
    """The percentiles of `QUANTILES`, each a value that was really seen."""
    order = sorted(values)
    return {q: order[max(math.ceil(q / 100 * len(order)) - 1, 0)] if order else 0.0 for q in QUANTILES}


def milliseconds(seconds: float) -> str:
    """A latency as it is said: in milliseconds, or in seconds from one on."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
