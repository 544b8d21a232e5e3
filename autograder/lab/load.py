"""A load: requests to several routes for some seconds, sent at their times whether or not earlier ones are answered.

A race shows how requests that arrive together are served. A load shows what clients experience over time: the latency
percentiles of each route and of the canary, and the lines that blocked the loop, those that blocked longest first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autograder.lab import app_errors, load_plot, run_race, server
from autograder.lab.percentiles import ALERT_S, WINDOW, milliseconds, quantiles
from autograder.lab.race import BLOCKED_FROM, Race
from autograder.lab.run_race import CANARY_EVERY, LIMIT
from autograder.lab.timeline import short
from autograder.programs.messages.races import RaceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from matplotlib.figure import Figure

    from autograder.lab.race import Request
    from autograder.lab.server import Server
    from autograder.programs.messages.reports import Iteration


@dataclass(frozen=True)
class Blocker:
    """One line that blocked the loop during a load: in ``times`` of its iterations, for ``seconds`` in all."""

    seconds: float
    times: int
    line: int
    code: str
    function: str

    def __str__(self) -> str:
        return f"{self.seconds:6.2f} s in {self.times:3} iterations: line {self.line}, {short(self.code, 60)} (in {self.function})"


@dataclass(repr=False)
class Load(Race):
    """The results of a load: a `Race` whose requests are sent one by one over ``lasts`` seconds."""

    lasts: float = 0.0
    # line to (seconds, code, function) of each iteration
    seconds_by_line: defaultdict[int, list[tuple[float, str, str]]] = field(default_factory=lambda: defaultdict(list))

    def picture(self, now: float | None = None) -> Figure:
        """Return the figure of latencies over time; ``now`` (seconds since the start) while the load is running."""
        return load_plot.draw(self, now)

    @property
    def routes(self) -> dict[str, list[Request]]:
        """The requests by route, in the order in which the routes were first requested."""
        found: dict[str, list[Request]] = {}
        for request in self.requests:
            found.setdefault(named(request), []).append(request)
        return found

    def latencies(self, route: str | None = None, now: float | None = None) -> list[tuple[float, float]]:
        """Return [(moment, seconds)] of a route, or of the canary. A request that isn't answered counts until ``now``.

        There is only one canary at a time. Those that would have been sent while it waited count as well, each with the
        remaining wait.
        """
        until = now if now is not None else max(self.seconds, self.end or 0.0)
        if route is not None:
            sent = [(r.start, r.end) for r in self.routes[route] if r.start is not None]
            return [(start, (until if end is None else end) - start) for start, end in sent]
        found = []
        for canary in self.canaries:
            end = until if canary.end is None else canary.end
            for place in range(max(math.ceil((end - canary.start) / CANARY_EVERY), 1)):
                moment = canary.start + place * CANARY_EVERY
                found.append((moment, end - moment))
        return found

    def percentiles(self, route: str | None = None) -> dict[int, float]:
        """Return {50: seconds, 95: …, 99: …} over the whole load, of a route or (without one) of the canary."""
        return quantiles([seconds for _, seconds in self.latencies(route)])

    def windows(self, route: str | None = None, now: float | None = None) -> list[tuple[float, dict[int, float]]]:
        """Return [(start of the window, its percentiles)] of a route, or of the canary."""
        found: defaultdict[int, list[float]] = defaultdict(list)
        for moment, seconds in self.latencies(route, now):
            found[int(moment / WINDOW)].append(seconds)
        return [(index * WINDOW, quantiles(found[index])) for index in sorted(found)]

    @property
    def alerts(self) -> tuple[int, int]:
        """(The number of windows with an alert, the number of all windows)."""
        windows = self.windows()
        return sum(at[99] > ALERT_S for _, at in windows), len(windows)

    def _take_iteration(self, report: Iteration) -> None:
        before = len(self.blocked)
        super()._take_iteration(report)
        if len(self.blocked) == before:
            return
        # several requests may have blocked in one iteration: each line gets the share for which it was sampled
        places = [place for place in report.where if place.file == self.file]
        seen = sum(place.seconds for place in report.where) or 1.0
        for line in {place.line for place in places}:
            here = [place for place in places if place.line == line]
            share = sum(place.seconds for place in here) / seen
            self.seconds_by_line[line].append((self.blocked[-1].seconds * share, here[0].code, here[0].function))

    @property
    def blockers(self) -> list[Blocker]:
        """The app's lines that blocked the loop, longest total first; those below 20 ms in all are left out."""
        found = []
        for line, shares in self.seconds_by_line.items():
            seconds, (_, code, function) = sum(share[0] for share in shares), max(shares)
            if seconds >= BLOCKED_FROM:
                found.append(Blocker(seconds, len(shares), line, code, function))
        return sorted(found, key=lambda blocker: -blocker.seconds)

    @property
    def sentence(self) -> str:
        """The picture in words."""
        if self.end is None:
            return f"{self.name}: not finished."
        if not self.canaries:
            return f"{self.name}: no canary was sent."
        failed = sum(not request.ok for request in self.requests)
        at, (alerts, windows) = self.percentiles(), self.alerts
        text = (
            f"{self.name}: {len(self.requests)} requests to {len(self.routes)} routes. Half of the canaries were answered "
            f"within {milliseconds(at[50])}, 95 % within {milliseconds(at[95])}, 99 % within {milliseconds(at[99])}; "
            f"the alert fired in {alerts} of {windows} windows."
        )
        if failed:
            text += f" {failed} requests failed."
        if worst := next(iter(self.blockers), None):
            return text + f" The loop was {self.lane}, most of it by `{short(worst.code, 60)}` in line {worst.line}."
        return text + (" The event loop stayed free." if self.lane == "free" else f" The event loop was {self.lane}.")


def named(request: Request) -> str:
    """Return a request's route for display: the path, without a number or a token at its end."""
    parts = request.route.split("/")
    return "/".join(parts[:2]) or "/"


async def load(
    paths: Sequence[str],
    seconds: float = 5.0,
    rate: float = 20,
    *,
    app: Server | None = None,
    show: bool = True,
    limit: float = LIMIT,
) -> Load:
    """Send ``rate`` requests a second to ``paths`` in turn for ``seconds``, and return the `Load`.

    A path may begin with a method, as in ``"POST /orders/{i}"``, and may contain ``{i}``, the number of the request.
    ``app`` is a `Server`, by default the one that was served last. ``show`` draws the latencies while the load runs, in a
    notebook. Raises `AppError` if no app is served.
    """
    app = app or server.current()
    wanted = [path if " " in path else f"GET {path}" for path in paths]
    if not wanted or not all(path.partition(" ")[2].startswith("/") for path in wanted):
        raise app_errors.AppError(
            'A load needs paths that begin with a slash, as in lab.load(["/tea", "POST /orders/{i}"]).'
        )
    requests = []
    for i in range(max(round(seconds * rate), 1)):
        method, _, path = wanted[i % len(wanted)].partition(" ")
        requests.append(RaceRequest(i, method, path.replace("{i}", str(i + 1)), at=i / rate))
    return await run(app, requests, lasts=seconds, show=show, limit=seconds + limit)


async def run(
    app: Server,
    requests: list[RaceRequest],
    *,
    lasts: float,
    title: str = "under load",
    show: bool = True,
    limit: float = LIMIT,
    companion: Callable[[Race], Coroutine[Any, Any, None]] | None = None,
) -> Load:
    """Run a load, as `run_race.run` does a race; each request says in ``at`` when it's sent."""
    return await run_race.run(
        app, requests, title=title, show=show, limit=limit, companion=companion, kind=Load, mixed=True, lasts=lasts
    )
