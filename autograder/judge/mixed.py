"""The proof for a whole app: requests to all its endpoints together, and a loop that stays free beside them."""

import asyncio
import time

from . import evidence
from .asking import ANSWER_LIMIT, ask, blocked, resting
from .rendezvous import LONGEST, LOOK_EVERY, PATIENCE, TICKS
from .verdict import Trial
from .waiting import WAIT

EACH = 2  # requests to each endpoint


class Mixed:
    """Trials of all the endpoints in ``endpoint.mix``; ``services`` maps the names of those they ask to the services.

    How many are served together is the matter of each endpoint's own item.  Here the services hold their replies only
    until nobody new comes; then a canary must still be answered, and nothing may have blocked the loop.
    """

    def __init__(self, app, endpoint, services):
        self.app = app
        self.endpoint = endpoint
        self.services = services
        self.patience = PATIENCE
        self.rest = None

    def _calls(self, each):
        calls, tokens = [], {}
        for _ in range(each):
            for endpoint in self.endpoint.mix:
                service = self.services.get(endpoint.service)
                call = endpoint.call(0.0 if service else WAIT, service)
                calls.append(call)
                tokens.setdefault(endpoint.service, []).extend(call.tokens)
        for name, service in self.services.items():
            service.prepare(tokens[name])
        return calls

    async def answers(self):
        """All endpoints once, together."""
        await ask(self.app, self._calls(1), ANSWER_LIMIT)

    async def warm_up(self):
        """Open connections, start the threads of pools, and import what is imported on first use."""
        await ask(self.app, self._calls(EACH), ANSWER_LIMIT)
        self.rest = await resting(self.app)

    async def trial(self, show=False):
        """One race; a trial that shows nothing makes the next one more patient."""
        calls = self._calls(EACH)
        crowd = Crowd(self.services.values(), self.patience)
        for service in self.services.values():
            service.park()
        try:
            race = await ask(
                self.app,
                calls,
                ANSWER_LIMIT + 2 * self.patience,
                title="everything together",
                show=show,
                beside=crowd.hold,
                mixed=True,
            )
        finally:
            crowd.release()
        if fault := blocked(race, evidence.samples(race), self.rest):
            return Trial(fault)
        if crowd.overtaken:
            return Trial(proved=True)
        self.patience = min(self.patience * 2, LONGEST)
        return Trial()


class Crowd:
    """Holds the replies of several services until nobody new comes.

    ``overtaken``: many canaries were sent and answered after the last newcomer, while replies were held.
    """

    def __init__(self, services, patience):
        self.services = list(services)
        self.patience = patience
        self.overtaken = False

    async def hold(self, race):
        """Run beside a race until the crowd is let go."""
        while race.began is None:
            await asyncio.sleep(LOOK_EVERY)
        since, seen = time.perf_counter(), None
        while True:
            held = sum(len(service.parked()) for service in self.services)
            if held != seen:
                since, seen = time.perf_counter(), held
            quiet = time.perf_counter() - since
            ticks = sum(c.answered and c.start >= since - race.began for c in race.canaries)
            self.overtaken = held > 0 and ticks >= TICKS
            if quiet >= self.patience / 2 and self.overtaken or quiet >= 2 * self.patience:
                return self.release()
            await asyncio.sleep(LOOK_EVERY)

    def release(self):
        for service in self.services:
            service.release()
