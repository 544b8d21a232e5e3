"""The text report of an audit, for a terminal, and the sentences that all reports share."""

from __future__ import annotations

from collections.abc import Iterator

from freeloop.durations import readable
from freeloop.findings import Audit, Line, Route, percentile

LINES_SHOWN = 5  # most lines of code that are listed for a route
CANARY_LATE_S = 0.05  # s from which the slowest canary is reported


def text(audit: Audit) -> str:
    """Return the report, with the worst route first."""
    lines = [f"freeloop audit of {audit.app}: Python {audit.python}, {audit.loop} loop, {audit.seconds:.1f} s"]
    lines += [f"  {note}" for note in notes(audit)]
    for route in ranked(audit):
        lines += ["", *_route(route)]
    clean = [route for route in audit.routes if not _noteworthy(route)]
    if clean:
        lines += ["", f"Nothing blocked the loop during {len(clean)} other endpoints:"]
        lines += [f"  {route.name}  {_statuses(route)}" for route in clean]
    if audit.skipped:
        lines += ["", "Not called:", *(f"  {name}: {why}" for name, why in audit.skipped.items())]
    return "\n".join([*lines, "", verdict(audit)])


def ranked(audit: Audit) -> list[Route]:
    """Return the routes that the report describes in detail, worst first."""
    routes = [*audit.routes, *([audit.idle] if audit.idle else [])]
    found = [route for route in routes if _noteworthy(route)]
    return sorted(found, key=lambda route: (route.longest_s, route.first_s, route.gil_s), reverse=True)


def verdict(audit: Audit) -> str:
    """Return the report's last line: whether the service is within the budget."""
    worst = max([*audit.routes, *([audit.idle] if audit.idle else [])], key=lambda route: route.longest_s, default=None)
    if audit.budget_s is None:
        if worst is None or not worst.lines:
            return "No line blocked the event loop for 10 ms or more after the first request."
        return f"Longest block: {readable(worst.longest_s)}, during {worst.name}, in {worst.lines[0].place}."
    over = audit.over_budget
    if not over:
        but = "".join(f" No request to {route.name} succeeded, so it wasn't checked." for route in audit.not_run)
        return f"Within the budget: no block was longer than {readable(audit.budget_s)}.{but}"
    return f"Over the budget of {readable(audit.budget_s)}: " + ", ".join(
        f"{route.name} ({readable(max(route.longest_s, route.first_s if audit.first_counts else 0.0))})"
        for route in over
    )


def notes(audit: Audit) -> list[str]:
    """Return sentences on the limits of the findings on this platform and event loop."""
    found = []
    if audit.watched == "callbacks":
        found.append(
            "uvloop runs its iterations in C, so they can't be observed. A block is the time that a callback waited for the "
            "loop: several short callbacks in a row look like one block, and time in uvloop's own C code has no line."
        )
    elif audit.uvloop_installed:
        found.append(
            "uvloop is installed, and uvicorn would use it, but this audit ran on asyncio's loop. Use --loop uvloop to change "
            "that."
        )
    if not audit.platform.startswith("linux"):
        found.append("Only Linux reports how long a thread waited for a CPU. On this system, blocks include that time.")
    return found


def _noteworthy(route: Route) -> bool:
    saturated = any(pool.waiting for pool in route.pools)
    computing = computing_lines(route)
    return bool(route.lines or route.first_lines or route.gil_lines or computing or saturated or not _answered(route))


def computing_lines(route: Route) -> list[Line]:
    """Return what computed in other threads while a canary was late: the loop gets the GIL in turn with them."""
    if route.slowest_canary_s < CANARY_LATE_S:
        return []
    known = {line.place for line in route.gil_lines}
    return [line for line in route.busy_lines if line.total_s >= CANARY_LATE_S and line.place not in known]


def _answered(route: Route) -> bool:
    return not route.requests or route.succeeded


def _route(route: Route) -> Iterator[str]:
    head = (
        f"blocked the loop {len(route.blocks)} times, {readable(route.longest_s)} at most"
        if route.lines
        else "no block after the first request"
    )
    yield f"{route.name}  {head}"
    for line in route.lines[:LINES_SHOWN]:
        yield from _line(
            line, f"{readable(line.longest_s)} at most, {readable(line.total_s)} in {line.iterations} iterations"
        )
    if route.first_lines:
        yield f"    first request only, {readable(route.first_s)} at most:"
        for line in route.first_lines[:LINES_SHOWN]:
            yield from _line(line, readable(line.total_s))
    for line in route.gil_lines[:LINES_SHOWN]:
        yield from _line(line, f"held the GIL in another thread for {readable(line.total_s)}, {line.iterations} times")
    for line in computing_lines(route)[:LINES_SHOWN]:
        yield from _line(
            line, f"computed in other threads for {readable(line.total_s)}, and the loop waited for the GIL"
        )
    for pool in route.pools:
        if pool.waiting:
            yield f"    {pool.waiting} calls waited for a thread: all {pool.total} of the {pool.name} pool were in use"
    late = route.slowest_canary_s
    if late >= CANARY_LATE_S:
        took = [sent.seconds for sent in route.canaries if sent.seconds is not None]
        yield f"    canaries: median {readable(percentile(took, 0.5))}, slowest {readable(late)}"
    apart = [("waiting for a CPU", route.cpu_wait_s), ("automatic garbage collection", route.gc_s)]
    known = [f"{name} {readable(seconds)}" for name, seconds in apart if seconds >= 0.001]
    if known:
        yield f"    not counted as blocked: {', '.join(known)}"
    if route.requests:
        yield f"    responses: {_statuses(route)}"
    if not _answered(route):
        guessed = f" (guessed: {', '.join(route.guessed)})" if route.guessed else ""
        yield f"    no request succeeded, so little of this endpoint was run: give its values with --values{guessed}"


def _line(line: Line, said: str) -> Iterator[str]:
    calls = f" -> {line.callee}" if line.callee else ""
    where = "" if line.in_service else " (library code)"
    yield f"    {line.place}{where}  {said}"
    yield f"        {line.code}  in {line.function}{calls}" if line.code else f"        in {line.function}{calls}"


def _statuses(route: Route) -> str:
    return ", ".join(f"{count} × {status}" for status, count in sorted(route.statuses.items()))
