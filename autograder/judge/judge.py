"""The judge: PASS needs a proof, FAIL needs a certificate that was confirmed, all else is ERROR."""

import asyncio
import shutil
import tempfile
from functools import partial
from pathlib import Path

from autograder import services
from autograder.judge.proofs.background import BackgroundProof
from autograder.judge.proofs.overlap import OverlapProof
from autograder.judge.proofs.rendezvous import RendezvousProof
from autograder.judge.proofs.whole_app import WholeAppProof
from autograder.judge.verdict import AnswerFault, Inconclusive, Verdict
from autograder.lab.load_generator_client import LoadGeneratorGone
from autograder.lab.server import AppError, Server
from autograder.sandbox.launcher import SandboxError

TRIALS = 7
CONFIRM = 2  # trials that must show a fault before it is a FAIL
NAMELESS = 2  # further trials for a loop that stood still if none of them has named a line
RETRIES = 3  # an ERROR is the machine's doing: it is tried again, this often at most


class ServedApp:
    """One file, served when it is first asked for, and anew if it is gone; the names of ``services`` are those it asks.

    An asynchronous context manager: leaving it ends the server.  It is started in ``jail``, if there is one.
    """

    def __init__(self, file, services=(), jail=None):
        self.file = file
        self.services = services
        self.jail = jail
        self._app = None
        self._refused = None
        self._folder = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def app(self):
        """The running `Server`.  Raises `AppError`, at once for a file that was refused before, and `ServiceError`."""
        if self._refused:
            raise self._refused
        if self._app is None or not self._app.alive:
            environment, ports, beside, asked = {}, [], [], {}
            for name in self.services:
                service = asked[name] = await asyncio.to_thread(services.get, name)
                environment |= await asyncio.to_thread(service.fresh_environment)
                ports += service.ports
                beside += service.beside
            start = partial(self.jail.start, ports=ports) if self.jail else None
            # no more of our environment than it needs: there may be secrets in it
            self._app = await asyncio.to_thread(Server, self._with(beside), environment, inherit=False, start=start)
            try:
                await asyncio.to_thread(self._app.wait_until_ready)
            except AppError as error:
                if ended := await _ended(asked):
                    raise services.ServiceError(_service_ended(ended)) from None
                self._refused = error
                raise
        return self._app

    def _with(self, beside):
        """The file to serve: where something of ours must lie beside it, a copy, because the learner may have changed theirs."""
        if not beside:
            return self.file
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="course-app-", ignore_cleanup_errors=True)
            for file in (*beside, self.file):
                shutil.copy(file, self._folder.name)
        return Path(self._folder.name) / Path(self.file).name

    async def stop(self):
        if self._app is not None:
            await asyncio.to_thread(self._app.stop)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class Judge:
    """Judges one endpoint of a file.  With ``served`` all its items share that server; without, each has its own.

    An app that is gone is served anew for the next item, so that one item's crash does not cost another.
    """

    def __init__(self, file, endpoint, served=None):
        self.endpoint = endpoint
        self.pictured = None
        self._served = served or ServedApp(file, endpoint.services)
        self._kept = served is not None

    async def verdict_with_retries(self, part):
        """The verdict on a part of the points, "answers" or "concurrency"; an ERROR is tried again.

        So is the first death of a server: somebody else on this machine may have killed it.
        """
        verdict, died = Verdict("error"), False
        for _ in range(RETRIES):
            verdict = await getattr(self, part)()
            if verdict.kind == "server died" and not died:
                died = True
            elif verdict.outcome != "error":
                break
        return verdict

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
        """The visible check: as `concurrency`, drawn in a notebook, and told at the first fault that shows.

        Afterwards ``pictured`` is the race that was drawn, if the requests of it were answered rightly.
        """

        async def work(method):
            verdict = await _concurrency(method, 1, show=True)
            self.pictured = method.app.pictured
            return verdict

        return await self._judged(work)

    async def _judged(self, work):
        asked, failed = {}, False
        try:
            names = self.endpoint.services if self.endpoint.combined_with else filter(None, [self.endpoint.service])
            asked = {name: await asyncio.to_thread(services.get, name) for name in names}
            app = await self._served.app()
            failed = True
            verdict = await work(self._method(app, asked))
            failed = not verdict.passed
            return verdict
        except AppError as error:
            return Verdict("fail", "does not start", str(error), error.line)
        except AnswerFault as fault:
            if ended := await _ended(asked):
                return Verdict("error", "", f"No verdict: {_service_ended(ended)}")
            return fault.verdict
        except (Inconclusive, LoadGeneratorGone, services.ServiceError, SandboxError, OSError) as problem:
            return Verdict("error", "", f"No verdict: {problem}")
        finally:
            # an endpoint that failed may have left the app blocked, and the next item is not to suffer from it
            if failed or not self._kept:
                await self._served.stop()

    def _method(self, app, asked):
        if self.endpoint.combined_with:
            return WholeAppProof(app, self.endpoint, asked)
        if not self.endpoint.service:
            return OverlapProof(app, self.endpoint)
        kind = BackgroundProof if self.endpoint.afterwards else RendezvousProof
        return kind(app, self.endpoint, asked[self.endpoint.service])


async def _ended(asked):
    """The name of a service that has ended, of those in ``asked`` (names to services), or None."""
    for name, service in asked.items():
        if not await asyncio.to_thread(service.healthy):
            return name
    return None


def _service_ended(name):
    return f"the service that it asks ({name}) ended. Try again."


async def _concurrency(method, confirm, show=False):
    await method.warm_up()
    faults, clean = [], 0
    for number in range(1, TRIALS + 1):
        trial = await method.trial(show=show and number == 1)
        if trial.fault:
            faults.append(trial.fault)
            # where a busy machine saw that the loop stood still, but not who held it, it is worth another look
            told = next((fault for fault in reversed(faults) if not fault.nameless), None)
            if len(faults) >= confirm and (told or len(faults) >= confirm + NAMELESS):
                told = told or trial.fault
                return Verdict("fail", told.kind, told.diagnosis, told.line, number)
        elif trial.proved:
            clean += 1
            # a fault that is not seen again must have been chance, and asks for one proof more
            if clean >= method.proofs + len(faults):
                return Verdict("pass", trials=number)
    raise Inconclusive("the machine was too busy to see the requests side by side. Try again.")
