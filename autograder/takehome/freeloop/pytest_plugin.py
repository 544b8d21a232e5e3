"""The pytest plugin: the fixture ``free_loop``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from freeloop import durations
from freeloop.env_file import read_env_file
from freeloop.service_process import ServiceSpec
from freeloop.testing import (
    AppService,
    Gate,
    ProcessService,
    Reply,
    Request,
    Service,
    Upstream,
    UrlService,
    prove_free,
    prove_overlap,
)
from freeloop.testing.proofs import BUDGET_S, PATIENCE_S, Check
from freeloop.testing.requests import Requests, request_of, requests_of


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's settings for pytest.ini or pyproject.toml."""
    parser.addini("freeloop_budget", "longest allowed block of the event loop, such as 50ms", default="")
    parser.addini("freeloop_patience", "how long to wait for requests that don't reach a gate, such as 15s", default="")


class TestedService:
    """A service under test. Its methods send requests; the `AssertionError` of a failed proof names the blocking line."""

    __test__ = False

    def __init__(self, service: Service, budget_s: float, patience_s: float) -> None:
        self.service = service
        self._budget_s = budget_s
        self._patience_s = patience_s

    @property
    def url(self) -> str:
        """The URL of a service that runs in its own process."""
        return str(self.service.url)  # type: ignore[attr-defined]

    def request(self, request: str | Request) -> Reply:
        """Send one request and return its reply, even if it's an error."""
        return self.service.send(request_of(request)).result()

    def overlaps(
        self,
        requests: Requests,
        gate: Gate,
        n: int = 4,
        budget: str | None = None,
        check: Check | None = None,
        warm_up: bool = True,
    ) -> list[Reply]:
        """Prove that requests overlap: all are held at the gate at the same time, and the loop stays free meanwhile.

        ``requests`` is a path (sent ``n`` times), ``"POST /orders"``, a `Request`, or a list of these. Return the replies. Raise
        `freeloop.testing.Unproved` otherwise, or what ``check(request, reply)`` raises.
        """
        __tracebackhide__ = True
        budget_s = durations.seconds(budget) if budget else self._budget_s
        return prove_overlap(self.service, requests_of(requests, n), gate, budget_s, check, warm_up, self._patience_s)

    def stays_free(
        self,
        requests: Requests,
        n: int = 4,
        budget: str | None = None,
        check: Check | None = None,
        warm_up: bool = True,
    ) -> list[Reply]:
        """Prove that no line blocks the loop for longer than the budget while the requests are served concurrently.

        The arguments are those of `overlaps`. Return the replies, or raise `freeloop.testing.Unproved`.
        """
        __tracebackhide__ = True
        budget_s = durations.seconds(budget) if budget else self._budget_s
        return prove_free(self.service, requests_of(requests, n), budget_s, check, warm_up, self._patience_s)


class FreeLoop:
    """The fixture ``free_loop``: creates services and gates, and ends them after the test."""

    def __init__(self, folder: Path, budget_s: float, patience_s: float) -> None:
        self._folder = folder
        self._budget_s = budget_s
        self._patience_s = patience_s
        self._endings: list[Callable[[], object]] = []

    def app(self, app: Any) -> TestedService:
        """Run an ASGI app in this process, with its lifespan, on an event loop in another thread."""
        return self._tested(AppService(app, str(self._folder)))

    def serve(
        self,
        app: str,
        factory: bool = False,
        env: Mapping[str, str] | None = None,
        env_file: str | Path | None = None,
        folder: str | Path | None = None,
        app_dir: str | Path | None = None,
        loop: str = "asyncio",
    ) -> TestedService:
        """Serve ``"shop.main:app"`` with uvicorn in a separate process.

        ``folder`` is its working directory (by default pytest's root directory), and ``env_file`` and ``app_dir`` are relative to
        it. Raise `freeloop.service_process.ServiceError` if the service doesn't start.
        """
        place = self._folder / (folder or "")
        environment = {**(read_env_file(place / env_file) if env_file else {}), **(env or {})}
        below = Path(app_dir) if app_dir else None
        spec = ServiceSpec(app, factory, place, below, environment=environment, loop=loop, warm_up=True)
        return self._tested(ProcessService(spec))

    def url(self, url: str, canary: str) -> TestedService:
        """Use a server that already runs on this machine. ``canary`` is the path of a cheap endpoint."""
        return self._tested(UrlService(url, canary))

    def gate(self) -> Gate:
        """Return a gate, to be passed with ``await gate.arrive()`` in coroutines and ``gate.wait()`` in threads."""
        gate = Gate()
        self._endings.append(gate.open)
        return gate

    def patch(self, target: str, returns: Any = None) -> Gate:
        """Replace a function, such as ``"shop.reports.load_rows"``, with a gate during this test, and return the gate.

        The replacement returns ``returns``, or calls it with its own arguments if it's callable.
        """
        gate = Gate()
        self._endings += [gate.replace(target, returns), gate.open]
        return gate

    def upstream(self, returns: Any = None) -> Upstream:
        """Return an HTTP server on loopback that holds its responses, see `freeloop.testing.gates.Upstream`."""
        upstream = Upstream(returns)
        self._endings.append(upstream.stop)
        return upstream

    def close(self) -> None:
        """End all services and gates, the newest first."""
        while self._endings:
            self._endings.pop()()

    def _tested(self, service: Service) -> TestedService:
        self._endings.append(service.stop)
        return TestedService(service, self._budget_s, self._patience_s)


@pytest.fixture
def free_loop(request: pytest.FixtureRequest) -> Iterator[FreeLoop]:
    """Create services and gates, to prove that requests overlap and that the event loop stays free."""
    settings = [str(request.config.getini(name)) for name in ("freeloop_budget", "freeloop_patience")]
    budget_s, patience_s = (
        durations.seconds(text) if text else default
        for text, default in zip(settings, (BUDGET_S, PATIENCE_S), strict=True)
    )
    made = FreeLoop(request.config.rootpath, budget_s, patience_s)
    try:
        yield made
    finally:
        made.close()
