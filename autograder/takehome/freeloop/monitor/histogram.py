"""A histogram with fixed buckets, as in Prometheus."""

from __future__ import annotations

from bisect import bisect_left

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Counts durations in seconds. Only one thread may add; any thread may read."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a duration ``times`` times."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += times
        self.sum_s += seconds * times

    @property
    def count(self) -> int:
        """The number of durations counted."""
        return sum(self.counts)

    def cumulative(self) -> list[tuple[str, int]]:
        """Return (upper bound, number of durations up to it) pairs; the last bound is ``+Inf``."""
        found, total = [], 0
        for bound, count in zip([*map(repr, BUCKETS_S), "+Inf"], self.counts, strict=True):
            total += count
            found.append((bound, total))
        return found
