"""The JSON report of an audit. Its keys are stable, and its times are in seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from freeloop.findings import Audit, Route, percentile
from freeloop.report_text import computing_lines, notes, verdict

VERSION = 1


def document(audit: Audit) -> dict[str, Any]:
    """Return the report as a dictionary that `json.dumps` accepts."""
    return {
        "version": VERSION,
        "app": audit.app,
        "python": audit.python,
        "loop": audit.loop,
        "notes": notes(audit),
        "seconds": audit.seconds,
        "budget_s": audit.budget_s,
        "over_budget": [route.name for route in audit.over_budget],
        "verdict": verdict(audit),
        "routes": [_route(route) for route in audit.routes],
        "no_request": _route(audit.idle) if audit.idle else None,
        "not_called": audit.skipped,
    }


def _route(route: Route) -> dict[str, Any]:
    canaries = [sent.seconds for sent in route.canaries if sent.seconds is not None]
    requests = [sent.seconds for sent in route.requests if sent.seconds is not None]
    return {
        "name": route.name,
        "responses": route.statuses,
        "guessed": list(route.guessed),
        "longest_block_s": route.longest_s,
        "blocked_s": route.blocked_s,
        "blocks": len(route.blocks),
        "lines": [asdict(line) for line in route.lines],
        "first_request": {"longest_block_s": route.first_s, "lines": [asdict(line) for line in route.first_lines]},
        "cpu_wait_s": route.cpu_wait_s,
        "gc_s": route.gc_s,
        "gil": {"held_s": route.gil_s, "lines": [asdict(line) for line in route.gil_lines]},
        "computing_lines": [asdict(line) for line in computing_lines(route)],
        "thread_pools": [asdict(pool) for pool in route.pools],
        "latency_s": {"median": percentile(requests, 0.5), "slowest": max(requests, default=0.0)},
        "canary_s": {
            "median": percentile(canaries, 0.5),
            "slowest": route.slowest_canary_s,
            "sent": len(route.canaries),
        },
    }
