"""The judge: PASS needs a proof, FAIL needs a certificate that was confirmed, all else is ERROR."""

import asyncio

from .. import services
from ..lab.racing import RacerGone
from ..lab.server import AppError, Server
from .rendezvous import Rendezvous
from .verdict import Fault, Unclear, Verdict
from .waiting import Waiting

TRIALS = 7
CONFIRM = 2  # trials that must show a fault before it is a FAIL


class Judge:
    """Judges one file.  As an asynchronous context manager it serves the app once for all its items;
    outside one, each item has a server of its own, ended with it.

    An app that is gone is served anew for the next item, so that one item's crash does not cost another.
    """

    def __init__(self, file, endpoint):
        self.file = file
        self.endpoint = endpoint
        self._app = None
        self._kept = False
        self._refused = None

    async def __aenter__(self):
        self._kept = True
        return self

    async def __aexit__(self, *_):
        self._kept = False
        await self._stop()

    async def _stop(self):
        if self._app is not None:
            await asyncio.to_thread(self._app.stop)

    async def answers(self):
        """Verdict on right answers: fresh requests, one after the other."""

        async def work(method):
            await method.answers()
            return Verdict("pass", trials=1)

        return await self._judged(work)

    async def concurrency(self):
        """Verdict on concurrency: requests run side by side while the loop stays free."""
        return await self._judged(lambda method: _concurrency(method, CONFIRM))

    async def side_by_side(self):
        """The visible check: as `concurrency`, drawn in a notebook, and told at the first fault that shows."""
        return await self._judged(lambda method: _concurrency(method, 1, show=True))

    async def _judged(self, work):
        if self._refused:
            return self._refused
        service = None
        try:
            service = await asyncio.to_thread(services.get, self.endpoint.service) if self.endpoint.service else None
            if self._app is None or not self._app.alive:
                # no more of our environment than it needs: there may be secrets in it
                self._app = Server(self.file, service.environment if service else None, inherit=False)
                await asyncio.to_thread(self._app.wait_until_ready)
            method = Rendezvous(self._app, self.endpoint, service) if service else Waiting(self._app, self.endpoint)
            return await work(method)
        except AppError as error:
            self._refused = Verdict("fail", "does not start", str(error), error.line)
            return self._refused
        except Fault as fault:
            if service is not None and not service.alive:
                return Verdict(
                    "error", "", f"No verdict: the service that it asks ({self.endpoint.service}) ended. Try again."
                )
            return fault.verdict
        except (Unclear, RacerGone, services.ServiceError, OSError) as problem:
            return Verdict("error", "", f"No verdict: {problem}")
        finally:
            if not self._kept:
                await self._stop()


async def _concurrency(method, confirm, show=False):
    await method.warm_up()
    faults, clean = [], 0
    for number in range(1, TRIALS + 1):
        trial = await method.trial(show=show and number == 1)
        if trial.fault:
            faults.append(trial.fault)
            if len(faults) == confirm:
                return Verdict("fail", trial.fault.kind, trial.fault.diagnosis, trial.fault.line, number)
        elif trial.proved:
            clean += 1
            # one proof is enough, unless a trial showed something that must have been chance
            if clean > len(faults):
                return Verdict("pass", trials=number)
    raise Unclear("the machine was too busy to see the requests side by side. Try again.")
