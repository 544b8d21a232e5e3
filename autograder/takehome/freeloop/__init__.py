"""Finds what blocks the asyncio event loop of a service, and keeps it out: an audit, a pytest plugin, a monitor."""

__version__ = "0.1.0"
