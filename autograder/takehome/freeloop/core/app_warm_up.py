"""Does in advance what an app's libraries would do on the event loop during the first request.

anyio imports a dozen modules when the first ``def`` endpoint runs, and FastAPI reads the source of each endpoint when it is
first requested: 25 ms to 90 ms in which a freshly served, correct app blocks its loop.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

# libraries, and the modules that they import only during the first request
LAZY_IMPORTS = {
    "anyio": ("anyio._backends._asyncio", "anyio.to_thread"),
    "starlette": ("anyio._backends._asyncio", "anyio.to_thread", "starlette.concurrency", "starlette.responses"),
    "fastapi": ("fastapi.telemetry._runtime", "encodings.idna"),
    "asyncio": ("concurrent.futures.thread",),
}
DEPTH = 10  # routers within routers


def import_lazily_loaded() -> None:
    """Import the modules that the already imported libraries will import later."""
    for library, names in LAZY_IMPORTS.items():
        for name in names if library in sys.modules else ():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def prepare_routes(app: object) -> None:
    """Let FastAPI prepare the app's routes; no code of the app is run."""
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
    found = []
    for route in list(getattr(router, "routes", None) or []):
        found.append(route)
        if depth:
            for inner in (route, getattr(route, "app", None), getattr(route, "original_router", None)):
                found += _routes(inner, depth - 1)
    return found
