"""The judge: PASS needs a proof, FAIL needs a confirmed certificate, everything else is ERROR."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from autograder import services
from autograder.judge.decide import CONFIRM, decide
from autograder.judge.proofs.background import BackgroundProof
from autograder.judge.proofs.overlap import OverlapProof
from autograder.judge.proofs.rendezvous import RendezvousProof
from autograder.judge.proofs.whole_app import WholeAppProof
from autograder.judge.served_app import ENDED, ServedApp, ended_again, ended_service, service_ended_message
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Inconclusive, Outcome, Verdict
from autograder.lab.app_errors import AppError
from autograder.lab.load_generator_client import LoadGeneratorGone
from autograder.sandbox.launcher import SandboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from autograder.judge.spec.endpoint import Endpoint
    from autograder.lab.race import Race
    from autograder.lab.server import Server
    from autograder.services import Service

# not the app's fault: no verdict
UNDECIDED = (Inconclusive, LoadGeneratorGone, services.ServiceError, SandboxError, OSError)
RETRIES = 3  # attempts at most: an ERROR is the machine's fault, so the judge tries again


class Judge:
    """Judges one endpoint of a file. With ``served``, all its items share that server; without it, each starts its own.

    If the app has ended, it's started again for the next item, so a crash during one item doesn't affect another.
    """

    def __init__(self, file: str | Path, endpoint: Endpoint, served: ServedApp | None = None) -> None:
        self.endpoint = endpoint
        self.pictured: Race | None = None
        self.races: list[Race] = []  # the newest races of the newest verdict
        self._served = served or ServedApp(file, endpoint.services)
        self._kept = served is not None

    async def verdict_with_retries(self, part: str) -> Verdict:
        """Return the verdict on a part of the points, "answers" or "concurrency". An ERROR is retried.

        The first death of a server is retried as well, because another process of this machine may have killed it.
        """
        judged = {"answers": self.answers, "concurrency": self.concurrency}[part]
        verdict, died, ended = Verdict(Outcome.ERROR), False, 0
        for _ in range(RETRIES):
            verdict = await judged()
            if verdict.kind == DiagnosisKind.SERVER_DIED and not died:
                died = True
            elif verdict.outcome != Outcome.ERROR:
                break
            ended += verdict.diagnosis.endswith(ENDED)
        if (
            ended > 1
        ):  # an app that crashes a service gains nothing by it: the person who decides sees how often it happened
            return replace(verdict, diagnosis=ended_again(verdict.diagnosis, ended, RETRIES))
        return verdict

    async def answers(self) -> Verdict:
        """Return the verdict on correct answers, from fresh requests sent one after the other."""

        async def work(method: OverlapProof | RendezvousProof | WholeAppProof) -> Verdict:
            await method.answers()
            return Verdict(Outcome.PASS, trials=1)

        return await self._judged(work)

    async def concurrency(self) -> Verdict:
        """Return the verdict on concurrency: do requests run side by side while the loop stays free?"""
        return await self._judged(lambda method: decide(method, CONFIRM))

    async def side_by_side(self) -> Verdict:
        """Return the verdict of the visible check: like `concurrency`, but drawn in a notebook, and one fault is enough.

        Afterwards, ``pictured`` is the race that was drawn, if its requests were answered correctly.
        """

        async def work(method: OverlapProof | RendezvousProof | WholeAppProof) -> Verdict:
            verdict = await decide(method, 1, show=True)
            self.pictured = method.app.drawn_race
            return verdict

        return await self._judged(work)

    async def first_answered(self, others: Iterable[Endpoint]) -> Endpoint | None:
        """Return the first of ``others`` whose requests the app answers correctly, or None.

        The app is started once for all of them. If it ends or doesn't answer, the rest isn't tried.
        """
        try:
            app = await self._served.app()
            asked = self._asked()
            for other in others:
                try:
                    await Judge(self._served.file, other, self._served)._method(app, asked).answers()
                except AnswerFault as fault:
                    if fault.verdict.kind in (DiagnosisKind.NO_ANSWER, DiagnosisKind.SERVER_DIED):
                        return None
                else:
                    return other
        except (AppError, *UNDECIDED):
            pass
        finally:
            await self._served.stop()
        return None

    async def _judged(
        self, work: Callable[[OverlapProof | RendezvousProof | WholeAppProof], Awaitable[Verdict]]
    ) -> Verdict:
        asked, failed = {}, False
        app: Server | None = None
        self.races = []
        try:
            app = await self._served.app()  # first, because it may replace a service that an earlier app has damaged
            app.races.clear()
            asked = self._asked()
            failed = True
            verdict = await work(self._method(app, asked))
            failed = not verdict.passed
            return verdict
        except AppError as error:
            return Verdict(Outcome.FAIL, DiagnosisKind.DOES_NOT_START, str(error), error.line)
        except AnswerFault as fault:
            if ended := await ended_service(asked):
                return Verdict(Outcome.ERROR, "", f"No verdict: {service_ended_message(ended)}")
            if fault.verdict.kind == DiagnosisKind.SERVER_DIED and app and (lost := await asyncio.to_thread(app.lost)):
                return Verdict(Outcome.ERROR, "", f"No verdict: {lost}. Try again.")
            return fault.verdict
        except UNDECIDED as problem:
            return Verdict(Outcome.ERROR, "", f"No verdict: {problem}")
        finally:
            if app is not None:
                self.races = list(app.races)
            # an endpoint that failed may have left the app blocked, which must not affect the next item
            if failed or not self._kept:
                await self._served.stop()

    def _asked(self) -> dict[str, Service]:
        """Return the services that the endpoint calls, by name.

        They're those whose addresses the app has, even if one has ended since: the app doesn't know a new one.
        """
        whole = self.endpoint.services
        names = whole if self.endpoint.combined_with else filter(None, [self.endpoint.service, self.endpoint.also])
        return {name: self._served.asked[name] for name in names}

    def _method(self, app: Server, asked: dict[str, Service]) -> OverlapProof | RendezvousProof | WholeAppProof:
        if self.endpoint.combined_with:
            return WholeAppProof(app, self.endpoint, asked)
        if not self.endpoint.service:
            return OverlapProof(app, self.endpoint)
        service = asked[self.endpoint.service]
        if self.endpoint.afterwards:
            return BackgroundProof(app, self.endpoint, service)
        return RendezvousProof(app, self.endpoint, service, asked.get(self.endpoint.also))
