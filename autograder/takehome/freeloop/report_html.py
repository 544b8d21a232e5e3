"""The HTML report of an audit: one self-contained page without scripts. Its timelines are inline SVG."""

from __future__ import annotations

from html import escape

from freeloop.durations import readable
from freeloop.findings import Audit, Line, Route
from freeloop.report_text import computing_lines, notes, ranked, verdict

_WIDTH = 900  # of a timeline, in SVG units
_ROW = 6  # height of a request's bar
_LANE = 18  # height of the loop's lane
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
code{background:#f2f2f2;padding:0 .2em}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem;
border-bottom:1px solid #ddd;vertical-align:top}td.n{text-align:right;white-space:nowrap}svg{width:100%;height:auto}
.bad{color:#a40000;font-weight:600}"""


def page(audit: Audit) -> str:
    """Return the report as an HTML document."""
    noteworthy = ranked(audit)
    others = [route for route in audit.routes if route not in noteworthy]
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f'<meta name="viewport" content="width=device-width"><title>freeloop: {escape(audit.app)}</title>',
        f"<style>{_STYLE}</style><h1>Event loop of <code>{escape(audit.app)}</code></h1>",
        f'<p class="{"bad" if audit.over_budget else "good"}">{escape(verdict(audit))}</p>',
        f"<p>Python {escape(audit.python)}, {escape(audit.loop)} loop, {audit.seconds:.1f} s.</p>",
        *(f"<p>{escape(note)}</p>" for note in notes(audit)),
        *(_section(route) for route in [*noteworthy, *others]),
    ]
    if audit.skipped:
        rows = "".join(f"<tr><td><code>{escape(name)}</code><td>{escape(why)}" for name, why in audit.skipped.items())
        parts.append(f"<h2>Not called</h2><table>{rows}</table>")
    return "\n".join(parts) + "\n"


def _section(route: Route) -> str:
    facts = [
        ("longest block", readable(route.longest_s)),
        ("longest block of the first request", readable(route.first_s)),
        ("waiting for a CPU", readable(route.cpu_wait_s)),
        ("automatic garbage collection", readable(route.gc_s)),
        ("GIL held by other threads", readable(route.gil_s)),
        ("slowest canary", readable(route.slowest_canary_s)),
        *(
            (f"{pool.name} threads", f"{pool.used} of {pool.total}, {pool.waiting} calls waited")
            for pool in route.pools
        ),
        ("responses", ", ".join(f"{count} × {status}" for status, count in route.statuses.items()) or "none"),
    ]
    rows = "".join(f'<tr><th>{escape(name)}<td class="n">{escape(value)}' for name, value in facts)
    lines = [*((line, "") for line in route.lines), *((line, "first request") for line in route.first_lines)]
    lines += [(line, "held the GIL") for line in route.gil_lines]
    lines += [(line, "computed in another thread") for line in computing_lines(route)]
    table = "".join(_line(line, remark) for line, remark in lines)
    if table:
        table = f"<table><tr><th>line<th>code<th>longest<th>total<th>{table}</table>"
    return f"<h2><code>{escape(route.name)}</code></h2>{timeline(route)}{table}<table>{rows}</table>"


def _line(line: Line, remark: str) -> str:
    return (
        f"<tr><td><code>{escape(line.place)}</code><td><code>{escape(line.code)}</code>"
        f'<td class="n">{readable(line.longest_s)}<td class="n">{readable(line.total_s)}<td>{escape(remark)}'
    )


def timeline(route: Route) -> str:
    """Return the timeline of a route as an SVG element: requests, the event loop and canaries on one time axis."""
    length = max(route.end - route.start, 1e-6)

    def x(at: float) -> float:
        return round(min(max((at - route.start) / length, 0.0), 1.0) * _WIDTH, 1)

    parts, y = [], 2
    for sent in route.requests:
        end = route.end if sent.end is None else sent.end
        colour = "#4477aa" if sent.status is not None and sent.status < 400 else "#999999"
        title = f"{sent.status or sent.error}: {readable(end - sent.start)}"
        parts.append(_bar(x(sent.start), x(end), y, _ROW - 2, colour, "request", title))
        y += _ROW
    y += 4
    parts.append(_bar(0, _WIDTH, y, _LANE, "#ddeedd", "loop", "the event loop is free"))
    for block in [*route.first, *route.blocks]:
        place = block.where[0] if block.where else None
        title = f"blocked for {readable(block.blocked_s)}" + (
            f": {place['file']}:{place['line']} {place['code']}" if place else ""
        )
        parts.append(_bar(x(block.start), x(block.end), y, _LANE, "#bb2222", "blocked", title))
    y += _LANE + 8
    for sent in route.canaries:
        end = route.end if sent.end is None else sent.end
        parts.append(
            _bar(x(sent.start), max(x(end), x(sent.start) + 1.5), y, 6, "#ccaa00", "canary", readable(end - sent.start))
        )
    y += 22
    parts.append(
        f'<text x="0" y="{y}" font-size="12">0 s</text><text x="{_WIDTH}" y="{y}" font-size="12" text-anchor="end">{length:.2f} s</text>'
    )
    blocked = f"blocked {len(route.blocks)} times, {readable(route.longest_s)} at most"
    label = f"Timeline of {route.name}: {len(route.requests)} requests, {len(route.canaries)} canaries, the loop was {blocked}."
    return f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {y + 4}">{"".join(parts)}</svg>'


def _bar(start: float, end: float, y: float, height: float, colour: str, kind: str, title: str) -> str:
    width = max(round(end - start, 1), 1)
    return (
        f'<rect class="{kind}" x="{start}" y="{y}" width="{width}" height="{height}" fill="{colour}">'
        f"<title>{escape(title)}</title></rect>"
    )
