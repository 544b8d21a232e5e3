"""Monitor the event loop of a service in production: an ASGI middleware, and exporters for its metrics."""

from freeloop.monitor.middleware import BlockedLoop, LoopMonitor

__all__ = ["BlockedLoop", "LoopMonitor"]
