"""The proof for endpoints that are told how long to wait: all requests certainly waited at the same moment."""

import random

from autograder.judge.evidence import overlap, samples
from autograder.judge.proofs.certificates import answered_late, blocked, served_in_turns
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, REST, find_poll_syscall, run_at_each_size, run_requests
from autograder.judge.verdict import Trial

# s that the requests of the first trial wait, if nobody looks: enough to prove it on an idle machine
QUICK = (0.05, 0.1)
ALONE = (0.03, 0.12)  # s that a request waits which is sent alone: longer or shorter than those that are raced
WAIT = 0.25  # s that those of the next wait; shorter ones do not tell requests that are served in turns from a busy machine
MAX_QUIET_S = 4.0  # s: trials grow up to this wait when a machine is too busy to tell


class OverlapProof:
    """Trials of an endpoint whose requests say, in ``{wait}``, how long they take."""

    proofs = 1

    def __init__(self, app, endpoint):
        self.app = app
        self.endpoint = endpoint
        self.wait = random.uniform(*QUICK)
        self.rest = None
        self._before = None  # the `Trial` of the request that was sent alone in the warm-up

    async def answers(self):
        """Ask one after the other, and for the last once more: a result kept from before is too early."""
        for call in (self.endpoint.call(0.04), *2 * [self.endpoint.call(0.1)]):
            await run_requests(self.app, [call], ANSWER_LIMIT_S + call.wait)

    async def warm_up(self):
        """Start the threads of pools, and import what is imported on first use."""
        wait = random.triangular(*ALONE, ALONE[0])  # any of them, but mostly a short one
        calls = [self.endpoint.call(wait) for _ in range(self.endpoint.raced)]
        race = await run_requests(self.app, calls, ANSWER_LIMIT_S, at=[REST[0]] * len(calls))
        self.rest = await find_poll_syscall(self.app, race)
        # a wait that was kept from before is over too early here
        self._before = Trial(await self._one(wait))

    async def trial(self, show=False):
        """One race, or two of different size; a trial that shows nothing makes the next one wait twice as long."""
        if show:
            self.wait = max(self.wait, WAIT)
        if not show and (fault := await self._alone()):
            return Trial(fault)
        raced = await run_at_each_size(self.endpoint, show, self._race)
        if raced.fault:
            return raced
        # a race that is shown comes first: its picture explains the rest
        if show and (fault := await self._alone()):
            return Trial(fault)
        if not raced.proved:
            self.wait = min(max(self.wait * 2, WAIT), MAX_QUIET_S)
        return raced

    async def _race(self, count, show):
        calls = [self.endpoint.call(self.wait * random.uniform(1.0, 1.1)) for _ in range(count)]
        waits = [call.wait for call in calls]
        race = await run_requests(
            self.app, calls, ANSWER_LIMIT_S + sum(waits), title=self.endpoint.route, show=show, rest=self.rest
        )
        looks = samples.decode_samples(race)
        if fault := blocked(race, looks, self.rest):
            return Trial(fault)
        if self.wait >= WAIT and (served := overlap.proved_batch_size(race, waits, looks)):
            return Trial(served_in_turns(served, count))
        if late := overlap.late(
            race, looks, [request.start + wait for request, wait in zip(race.requests, waits, strict=True)]
        ):
            return Trial(answered_late(calls[late[0].key], late[1]))
        return Trial(proved=bool(overlap.certainly_overlapped(race, waits) and overlap.overtaken(race)))

    async def _alone(self):
        """One or two requests alone, with waits of any length; the failing `Verdict` if they block the loop.

        A handler may not know by the number or by the wait of a request that it is raced.
        """
        if self._before is not None:
            before, self._before = self._before, None
            return before.fault
        for _ in range(random.randint(1, 2)):
            if fault := await self._one(random.uniform(*ALONE)):
                return fault
        return None

    async def _one(self, wait):
        race = await run_requests(self.app, [self.endpoint.call(wait)], ANSWER_LIMIT_S, rest=self.rest)
        return blocked(race, samples.decode_samples(race), self.rest)
