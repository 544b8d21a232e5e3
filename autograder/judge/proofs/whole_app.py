"""The proof for a whole app: requests to all its endpoints together, during which the loop stays free."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autograder.judge.evidence import samples
from autograder.judge.proofs.certificates import blocked
from autograder.judge.proofs.latency_injection import Latency
from autograder.judge.proofs.overlap import WAIT
from autograder.judge.proofs.quiescence import INITIAL_QUIET_S, MAX_QUIET_S, POLL_INTERVAL_S, QuietPeriod
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, IDLE_S, find_poll_syscall, run_requests
from autograder.judge.verdict import Trial
from autograder.lab.load import run as run_load
from autograder.programs.messages.races import RaceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.load import Load
    from autograder.lab.race import Race
    from autograder.lab.server import Server
    from autograder.services import Service

REQUESTS_EACH = 2  # requests to each endpoint
SLOW_REPLY_S = 0.1  # s that each service takes in `slow_day`


class WholeAppProof:
    """Trials of all the endpoints in ``endpoint.combined_with``; ``services`` maps the names of those they call to services.

    Each endpoint's own item judges how many of its requests run together. Here the services hold their replies only until
    no new call comes. Then canaries must still be answered, and nothing may have blocked the loop.
    """

    proofs = 1

    def __init__(self, app: Server, endpoint: Endpoint, services: dict[str, Service]) -> None:
        self.app = app
        self.endpoint = endpoint
        self.services = services
        self.patience = INITIAL_QUIET_S
        self.poll_call: str | None = None

    def calls(self, each: int) -> list[CheckRequest]:
        """Return ``each`` fresh requests to each endpoint, alternately, and prepare their services for them."""
        calls: list[CheckRequest] = []
        tokens: dict[str, list[str]] = {}
        for _ in range(each):
            for endpoint in self.endpoint.combined_with:
                service = self.services.get(endpoint.service)
                call = endpoint.call(0.0 if service else WAIT, service)
                calls.append(call)
                tokens.setdefault(endpoint.service, []).extend(call.tokens)
        for name, service in self.services.items():
            service.prepare(tokens[name])
        return calls

    async def answers(self) -> None:
        """Send one request to each endpoint, all together."""
        await run_requests(self.app, self.calls(1), ANSWER_LIMIT_S)

    async def warm_up(self) -> None:
        """Open connections, start the threads of pools, and import what is imported on first use."""
        calls = self.calls(REQUESTS_EACH)
        race = await run_requests(self.app, calls, ANSWER_LIMIT_S, at=[IDLE_S[0]] * len(calls))
        self.poll_call = await find_poll_syscall(self.app, race)

    async def trial(self, show: bool = False) -> Trial:
        """Run one race. If nothing is decided, the next trial waits longer for new calls."""
        calls = self.calls(REQUESTS_EACH)
        gate = ReplyGate(self.services.values(), self.patience, self.poll_call)
        for service in self.services.values():
            service.hold()
        try:
            race = await run_requests(
                self.app,
                calls,
                ANSWER_LIMIT_S + 2 * self.patience,
                title="everything together",
                show=show,
                companion=gate.hold,
                mixed=True,
                poll_call=self.poll_call,
            )
        finally:
            gate.release()
        if fault := blocked(race, samples.decode_samples(race), self.poll_call):
            return Trial(fault)
        if gate.overtaken:
            return Trial(proved=True)
        self.patience = min(self.patience * 2, MAX_QUIET_S)
        return Trial()


class ReplyGate:
    """Holds the replies of several services until no new call comes.

    ``overtaken``: many canaries were sent and answered after the last new call, while replies were held.
    """

    def __init__(self, services: Iterable[Service], patience: float, poll_call: str | None) -> None:
        self.services = list(services)
        self.poll_call = poll_call
        self.patience = patience
        self.overtaken = False

    async def hold(self, race: Race) -> None:
        """Run during a race until the replies are released."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        quiet, seen = QuietPeriod(race, self.patience, self.poll_call), None
        while True:
            held = sum(len(service.held()) for service in self.services)
            if held != seen:
                quiet.restart()
                seen = held
            self.overtaken = held > 0 and quiet.alive
            enough = quiet.seconds >= self.patience / 2 and self.overtaken
            if enough or quiet.stuck or quiet.seconds >= 2 * self.patience:
                return self.release()
            await asyncio.sleep(POLL_INTERVAL_S)

    def release(self) -> None:
        """Release every reply that the services hold."""
        for service in self.services:
            service.release()


async def slow_day(app: Server, endpoint: Endpoint, services: dict[str, Service], seconds: float, rate: float) -> Load:
    """Return the `Load` of an app whose services all take `SLOW_REPLY_S` seconds: ``rate`` requests per second, to each endpoint in turn."""
    calls = WholeAppProof(app, endpoint, services).calls(max(round(seconds * rate / len(endpoint.combined_with)), 1))
    requests = [RaceRequest(i, call.method, call.path, at=i / rate) for i, call in enumerate(calls)]
    for service in services.values():
        service.hold()
    try:
        return await run_load(
            app,
            requests,
            lasts=len(calls) / rate,
            title="on a slow day",
            companion=Latency(services.values(), SLOW_REPLY_S).hold,
        )
    finally:
        for service in services.values():
            service.release()
