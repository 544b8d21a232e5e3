"""Do in advance what an app's libraries would otherwise do on the event loop during the first request.

anyio imports a dozen modules when the first ``def`` endpoint runs, and FastAPI reads an endpoint's source code at its first
request. Without the warm-up, a correct app would block its loop for 25 ms to 90 ms at its first requests.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

# the modules that a library imports only during the first request, by library
LAZY_IMPORTS = {
    "anyio": ("anyio._backends._asyncio", "anyio.to_thread"),
    "starlette": ("anyio._backends._asyncio", "anyio.to_thread", "starlette.concurrency", "starlette.responses"),
    "fastapi": ("fastapi.telemetry._runtime", "encodings.idna"),
    "asyncio": ("concurrent.futures.thread",),
}
DEPTH = 10  # routers within routers


def import_lazily_loaded() -> None:
    """Import the modules that the libraries imported so far would import during a request."""
    for library, names in LAZY_IMPORTS.items():
        for name in names if library in sys.modules else ():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def prepare_routes(app: object) -> None:
    """Make FastAPI prepare the app's routes. This doesn't run any of the app's code."""
    routing = sys.modules.get("fastapi.routing")
    if routing is None:
        return
    read_source = getattr(routing, "_extract_endpoint_context", None)
    scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": [], "query_string": b""}
    for route in _routes(app):
        with contextlib.suppress(Exception):
            endpoint = getattr(route, "endpoint", None)
            if read_source and callable(endpoint):
                read_source(endpoint)
        if type(route).__module__.startswith(("fastapi.", "starlette.")):
            with contextlib.suppress(Exception):
                route.matches(dict(scope))  # an included router creates its routes when they're first matched


def _routes(router: object, depth: int = DEPTH) -> list[Any]:
    """Return the routes of a router and of the routers that it includes."""
    found = []
    for route in list(getattr(router, "routes", None) or []):
        found.append(route)
        if depth:
            for inner in (route, getattr(route, "app", None), getattr(route, "original_router", None)):
                found += _routes(inner, depth - 1)
    return found
