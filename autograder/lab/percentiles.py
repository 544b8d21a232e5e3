"""Percentiles of latencies: the longest wait of the fastest 50 %, 95 % and 99 % of the requests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


QUANTILES = (50, 95, 99)
WINDOW = 0.5  # s of a load that one column summarises
ALERT_S = 0.1  # s: a window raises an alert if the canary's 99th percentile is above this


def quantiles(values: Iterable[float]) -> dict[int, float]:
    """Return the percentiles in `QUANTILES`, each of which is one of the measured values."""
    order = sorted(values)
    return {q: order[max(math.ceil(q / 100 * len(order)) - 1, 0)] if order else 0.0 for q in QUANTILES}


def milliseconds(seconds: float) -> str:
    """Return a latency as text: in milliseconds, or in seconds from one second on."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
