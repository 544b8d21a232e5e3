"""Watches the event loop of a service in production: an ASGI middleware, and exporters for what it measures."""

from freeloop.monitor.middleware import BlockedLoop, LoopMonitor

__all__ = ["BlockedLoop", "LoopMonitor"]
