"""Export the monitor's metrics to OpenTelemetry (the extra ``freeloop[opentelemetry]``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from freeloop.monitor.middleware import LoopMonitor
from freeloop.monitor.recorder import Lag


def instrument(monitor: LoopMonitor, meter: Any = None) -> None:
    """Record a monitor's lags, blocks and thread pools with ``meter``, by default the global provider's meter ``freeloop``.

    The instruments are ``freeloop.loop.lag`` (a histogram in seconds, by ``kind``; iterations of at least 1 ms),
    ``freeloop.blocks`` (by ``route`` and ``line``), and ``freeloop.thread_pool`` (by ``pool`` and ``state``).
    """
    from opentelemetry import metrics

    meter = meter or metrics.get_meter("freeloop")
    lags = meter.create_histogram(
        "freeloop.loop.lag", unit="s", description="Length of iterations, by what they were spent on"
    )

    def record(lag: Lag) -> None:
        for kind, seconds in lag.seconds.items():
            if seconds > 0.0:
                lags.record(seconds, {"kind": kind})

    def blocks(options: Any) -> Iterator[Any]:
        for (route, line), count in dict(monitor.blocks).items():
            yield metrics.Observation(count, {"route": route, "line": line})

    def pools(options: Any) -> Iterator[Any]:
        for pool in monitor.pools():
            for state in ("used", "total", "waiting"):
                yield metrics.Observation(pool[state], {"pool": str(pool["name"]), "state": state})

    monitor.on_lag.append(record)
    meter.create_observable_counter("freeloop.blocks", [blocks], description="Blocks over the budget")
    meter.create_observable_gauge(
        "freeloop.thread_pool", [pools], description="Threads in use, size of the pool, and waiting calls"
    )
