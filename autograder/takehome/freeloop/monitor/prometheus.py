"""Export the monitor's metrics to Prometheus: as text, or with ``prometheus_client`` (the extra ``freeloop[prometheus]``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from freeloop.monitor.middleware import LoopMonitor

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LAG = "freeloop_loop_lag_seconds"
LAG_HELP = "Length of the event loop's iterations, split by what they were spent on."
BLOCKS = "freeloop_blocks"
BLOCKS_HELP = "Blocks over the budget, by route and line."
POOL = "freeloop_thread_pool"
POOL_HELP = "Threads in use, size of the pool, and waiting calls, by thread pool."


def text(monitor: LoopMonitor) -> str:
    """Return the metrics in Prometheus' text format."""
    lines = [f"# HELP {LAG} {LAG_HELP}", f"# TYPE {LAG} histogram"]
    for kind, histogram in monitor.recorder.histograms.items():
        lines += [f'{LAG}_bucket{{kind="{kind}",le="{bound}"}} {count}' for bound, count in histogram.cumulative()]
        lines += [f'{LAG}_sum{{kind="{kind}"}} {histogram.sum_s!r}', f'{LAG}_count{{kind="{kind}"}} {histogram.count}']
    lines += [f"# HELP {BLOCKS}_total {BLOCKS_HELP}", f"# TYPE {BLOCKS}_total counter"]
    for (route, line), count in dict(monitor.blocks).items():
        lines.append(f'{BLOCKS}_total{{route="{_escaped(route)}",line="{_escaped(line)}"}} {count}')
    lines += [f"# HELP {POOL} {POOL_HELP}", f"# TYPE {POOL} gauge"]
    lines += [f'{POOL}{{pool="{pool}",state="{state}"}} {value:g}' for pool, state, value in _pools(monitor)]
    return "\n".join(lines) + "\n"


class Collector:
    """A collector for ``prometheus_client``: ``REGISTRY.register(Collector(monitor))``.

    Without a ``monitor``, each scrape uses the newest one of the process.
    """

    def __init__(self, monitor: LoopMonitor | None = None) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Any]:
        """Yield the metric families of one scrape."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        monitor = self._monitor or LoopMonitor.current
        if monitor is None:
            return
        lag = HistogramMetricFamily(LAG, LAG_HELP, labels=["kind"])
        for kind, histogram in monitor.recorder.histograms.items():
            lag.add_metric([kind], histogram.cumulative(), histogram.sum_s)
        yield lag
        blocks = CounterMetricFamily(BLOCKS, BLOCKS_HELP, labels=["route", "line"])
        for labels, count in dict(monitor.blocks).items():
            blocks.add_metric(list(labels), count)
        yield blocks
        pools = GaugeMetricFamily(POOL, POOL_HELP, labels=["pool", "state"])
        for pool, state, value in _pools(monitor):
            pools.add_metric([pool, state], value)
        yield pools


def _pools(monitor: LoopMonitor) -> Iterator[tuple[str, str, float]]:
    for pool in monitor.pools():
        for state in ("used", "total", "waiting"):
            yield str(pool["name"]), state, float(pool[state])


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
