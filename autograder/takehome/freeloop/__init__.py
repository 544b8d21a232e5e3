"""Find what blocks a service's asyncio event loop, and keep it from coming back: an audit, a pytest plugin, a monitor."""

__version__ = "0.1.0"
