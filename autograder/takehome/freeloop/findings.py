"""Turn the watchdog's reports and the client's times into findings about each route. Nothing is measured here.

A *block* is the time of a long iteration of the event loop without the machine's part in it: the time that the loop's thread
or new threads waited for a CPU, and that evicted memory was read back. Automatic garbage collections are subtracted as
well, because no line of the service causes them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LISTED_MIN_S = 0.010  # s: a line that blocked for less in its longest iteration isn't listed


@dataclass(frozen=True)
class Block:
    """One long iteration: its ``start`` and ``end``, and the seconds of it that the app itself caused.

    ``where`` has the places where the time was spent, longest first, as `freeloop.core.loop_watchdog.places` returns them.
    """

    start: float
    end: float
    blocked_s: float
    cpu_wait_s: float
    gc_s: float
    where: tuple[Mapping[str, Any], ...]
    excused_s: float = 0.0  # waits for memory and for new threads to start; these are upper bounds


@dataclass
class Line:
    """A line of code that blocked the loop: seconds in total and in its longest iteration, and the number of iterations."""

    file: str
    line: int
    code: str
    function: str
    callee: str
    in_service: bool
    total_s: float = 0.0
    longest_s: float = 0.0
    iterations: int = 0

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"


@dataclass
class Pool:
    """A thread pool: its size, the most threads in use at one time, and the most calls waiting for a thread."""

    name: str
    used: int
    total: int
    waiting: int


@dataclass
class Sent:
    """A request or a canary: when it was sent, when its response came (None: not at all), and the status."""

    start: float
    end: float | None = None
    status: int | None = None
    error: str = ""

    @property
    def seconds(self) -> float | None:
        """Seconds until the response, or None if there was none."""
        return None if self.end is None else self.end - self.start


@dataclass
class Route:
    """What an audit found out about one endpoint. Times are in seconds.

    ``gil_lines`` are calls in other threads that kept the GIL, ``busy_lines`` everything that computed in other threads.
    """

    name: str
    start: float
    end: float
    requests: list[Sent] = field(default_factory=list)
    canaries: list[Sent] = field(default_factory=list)
    first: list[Block] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    first_lines: list[Line] = field(default_factory=list)
    gil_lines: list[Line] = field(default_factory=list)
    gil_s: float = 0.0
    busy_lines: list[Line] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    guessed: tuple[str, ...] = ()

    @property
    def longest_s(self) -> float:
        """Seconds of the longest block after the first request, 0.0 without blocks."""
        return max((block.blocked_s for block in self.blocks), default=0.0)

    @property
    def first_s(self) -> float:
        """Seconds of the longest block during the first request, 0.0 without blocks."""
        return max((block.blocked_s for block in self.first), default=0.0)

    @property
    def blocked_s(self) -> float:
        """Seconds of all blocks after the first request together."""
        return sum(block.blocked_s for block in self.blocks)

    @property
    def cpu_wait_s(self) -> float:
        """Seconds for which the loop's thread waited for a CPU during long iterations."""
        return sum(block.cpu_wait_s for block in [*self.first, *self.blocks])

    @property
    def gc_s(self) -> float:
        """Seconds of automatic garbage collections during long iterations."""
        return sum(block.gc_s for block in [*self.first, *self.blocks])

    @property
    def statuses(self) -> dict[str, int]:
        """The number of requests by status; requests without a response count by their error."""
        return dict(Counter(str(sent.status or sent.error or "no response") for sent in self.requests))

    @property
    def succeeded(self) -> bool:
        """True if any request got a response with a status below 400."""
        return any(sent.status is not None and sent.status < 400 for sent in self.requests)

    @property
    def slowest_canary_s(self) -> float:
        """Seconds of the slowest canary; one without a response counts until the end of the audit of this route."""
        return max(
            (self.end - sent.start if sent.end is None else sent.end - sent.start for sent in self.canaries),
            default=0.0,
        )


@dataclass
class Audit:
    """A whole audit: the service, its environment, and a `Route` for each endpoint that was called."""

    app: str
    python: str
    loop: str
    watched: str
    platform: str
    folder: str
    uvloop_installed: bool
    seconds: float = 0.0
    routes: list[Route] = field(default_factory=list)
    idle: Route | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    budget_s: float | None = None
    first_counts: bool = False
    printed: str = ""

    @property
    def over_budget(self) -> list[Route]:
        """The routes that blocked the loop for longer than the budget, worst first. Empty without a budget."""
        budget = self.budget_s
        if budget is None:
            return []
        found = [
            route for route in [*self.routes, *([self.idle] if self.idle else [])] if self._counted(route) > budget
        ]
        return sorted(found, key=self._counted, reverse=True)

    @property
    def not_run(self) -> list[Route]:
        """The routes without a successful request: how they behave in normal use isn't known."""
        return [route for route in self.routes if not route.succeeded]

    def _counted(self, route: Route) -> float:
        return max(route.longest_s, route.first_s if self.first_counts else 0.0)


def block_of(report: Mapping[str, Any]) -> Block:
    """Return the block of a ``turn`` or ``late`` report of the watchdog, without the machine's part in it."""
    length = report["end"] - report["start"]
    where = tuple(report.get("where", ()))
    automatic = sum(place["seconds"] for place in where if place.get("collection") == "automatic")
    waited = report.get("waited", 0.0) + report.get("threads_waited", 0.0) + report.get("paged", 0.0)
    blocked = max(length - waited - automatic, 0.0)
    own = tuple(place for place in where if place.get("collection") != "automatic")
    excused = report.get("threads_waited", 0.0) + report.get("paged", 0.0)
    return Block(report["start"], report["end"], blocked, report.get("waited", 0.0), automatic, own, excused)


def blocks_of(reports: Iterable[Mapping[str, Any]], start: float, end: float) -> list[Block]:
    """Return the long iterations that began between ``start`` and ``end``, in order. The last one may not have ended."""
    found = [report for report in _iterations(reports) if start <= report["start"] < end]
    return [block_of(report) for report in found if report["event"] == "turn" or report is found[-1]]


def stuck_s(reports: Iterable[Mapping[str, Any]]) -> float:
    """Return the seconds for which the running iteration has blocked the loop; 0.0 if the newest one has ended."""
    newest = _iterations(reports)[-1:]
    return block_of(newest[0]).blocked_s if newest and newest[0]["event"] == "late" else 0.0


def _iterations(reports: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the last report on each long iteration, by its start: a ``turn`` if it has ended, else the newest ``late``.

    The two come from two threads, so a ``late`` may follow the ``turn`` of the same iteration.
    """
    found: dict[float, Mapping[str, Any]] = {}
    for report in reports:
        if report["event"] == "turn" or (
            report["event"] == "late" and found.get(report["start"], report)["event"] == "late"
        ):
            found[report["start"]] = report
    return [found[start] for start in sorted(found)]


def lines_of(blocks: Sequence[Block], folder: str) -> list[Line]:
    """Return the lines that blocked, those of the service first. A block's time is shared out in proportion to the samples."""
    found: dict[tuple[str, int, str], Line] = {}
    for block in blocks:
        total = sum(place["seconds"] for place in block.where) or 1.0
        scale = min(block.blocked_s / total, 1.0)
        for place in block.where:
            _add(found, place, place["seconds"] * scale, folder)
    kept = [line for line in found.values() if line.longest_s >= LISTED_MIN_S]
    return sorted(kept, key=lambda line: (line.in_service, line.total_s), reverse=True)


def _add(found: dict[tuple[str, int, str], Line], place: Mapping[str, Any], seconds: float, folder: str) -> None:
    inside = place["file"].startswith(folder)
    file = os.path.relpath(place["file"], folder) if inside else place["file"]
    line = found.setdefault(
        (place["file"], place["line"], place["code"]),
        Line(file, place["line"], place["code"], place["function"], place.get("callee", ""), inside),
    )
    line.total_s += seconds
    line.longest_s = max(line.longest_s, seconds)
    line.iterations += 1


def route_of(
    name: str,
    reports: Sequence[Mapping[str, Any]],
    window: tuple[float, float, float],
    requests: list[Sent],
    canaries: list[Sent],
    folder: str,
) -> Route:
    """Return the findings about a route from the reports of its window.

    ``window`` is its start, the end of its first request, and its end, in seconds of ``time.perf_counter()``.
    """
    start, first_end, end = window
    route = Route(name, start, end, requests, canaries)
    route.first, route.blocks = blocks_of(reports, start, first_end), blocks_of(reports, first_end, end)
    route.first_lines, route.lines = lines_of(route.first, folder), lines_of(route.blocks, folder)
    gil = [report for report in reports if report["event"] == "gil" and start <= report["start"] < end]
    found: dict[tuple[str, int, str], Line] = {}
    for report in gil:
        held = max(report["end"] - report["start"] - report.get("waited", 0.0), 0.0)
        route.gil_s += held
        for place in report["where"][:1]:
            _add(found, place, held, folder)
    route.gil_lines = sorted(found.values(), key=lambda line: line.total_s, reverse=True)
    busy: dict[tuple[str, int, str], Line] = {}
    for report in reports:
        if report["event"] == "busy" and start <= report["t"] < end:
            for place in report["where"][:1]:
                _add(busy, place, report["seconds"], folder)
    route.busy_lines = sorted(busy.values(), key=lambda line: line.total_s, reverse=True)
    route.pools = pools_of([report for report in reports if report["event"] == "pool" and start <= report["t"] < end])
    return route


def pools_of(reports: Iterable[Mapping[str, Any]]) -> list[Pool]:
    """Return the peak use of each thread pool."""
    found: dict[str, Pool] = {}
    for report in reports:
        for seen in report["pools"]:
            pool = found.setdefault(seen["name"], Pool(seen["name"], 0, 0, 0))
            pool.used, pool.total = max(pool.used, int(seen["used"])), int(min(seen["total"], 1e6))
            pool.waiting = max(pool.waiting, seen["waiting"])
    return list(found.values())


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie; 0.0 if there are none."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0
