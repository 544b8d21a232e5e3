"""Audit a service: serve it, send requests to each endpoint, and return what blocked its event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freeloop.findings import Audit, route_of, stuck_s
from freeloop.load import LoadBounds, send_load
from freeloop.request_plan import plan
from freeloop.service_process import ServiceProcess, ServiceSpec

IDLE_S = 0.5  # s with canaries only, before the first endpoint
TOTAL_S = 40.0  # s for all endpoints together: with many, each gets less time, so an audit takes less than a minute


@dataclass(frozen=True)
class AuditOptions:
    """Which endpoints to audit, and how: see `freeloop.request_plan.plan` and `freeloop.load.LoadBounds`.

    ``budget_s`` is the longest allowed block in seconds. With ``first_counts``, it applies to first requests as well.
    """

    include: Sequence[str] = ()
    only: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    bounds: LoadBounds = field(default_factory=LoadBounds)
    budget_s: float | None = None
    first_counts: bool = False


def run_audit(spec: ServiceSpec, options: AuditOptions, progress: Callable[[str], None] = lambda name: None) -> Audit:
    """Serve the service on loopback, send the requests, and return the findings. ``progress`` gets each endpoint's name.

    Raise `freeloop.service_process.ServiceError` if the service doesn't start, and `freeloop.request_plan.PlanError`
    if an option names an endpoint that doesn't exist.
    """
    began = time.perf_counter()
    with ServiceProcess(spec) as service:
        planned = plan(
            service.routes.get("openapi"),
            service.routes.get("routes", []),
            options.include,
            options.only,
            options.values,
            options.headers,
        )
        bounds = options.bounds
        seconds = min(bounds.seconds, TOTAL_S / max(len(planned.requests), 1))
        bounds = LoadBounds(bounds.requests, seconds, bounds.limit_s)
        windows = asyncio.run(
            send_load(service.port, planned.requests, bounds, IDLE_S, progress, lambda: stuck_s(service.reports))
        )
        service.flush()
        ready, reports = service.ready, list(service.reports)
        found = Audit(
            spec.app,
            ready["python"],
            ready["loop"],
            ready["watched"],
            ready["platform"],
            ready["folder"],
            ready["uvloop_installed"],
            skipped=dict(planned.skipped),
            budget_s=options.budget_s,
            first_counts=options.first_counts,
            printed=service.printed(),
        )
    for window in windows:
        name = window.request.name if window.request else "(no request)"
        span = window.start, window.first_end, window.end
        route = route_of(name, reports, span, window.sent, window.canaries, found.folder)
        if window.request:
            route.guessed = window.request.guessed
            found.routes.append(route)
        else:
            found.idle = route
    for request in planned.requests[len(windows) - 1 :]:
        found.skipped[request.name] = "the loop was still blocked by the endpoint before"
    found.seconds = time.perf_counter() - began
    return found
