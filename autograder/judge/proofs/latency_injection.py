"""Services that take their time: each question is let go when it has waited for so long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from autograder.judge.proofs.quiescence import POLL_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autograder.lab.race import Race
    from autograder.services import Service


class Latency:
    """Holds each reply of ``services``, which park, for ``seconds``."""

    def __init__(self, services: Iterable[Service], seconds: float) -> None:
        self.seconds = seconds
        self._since: list[tuple[Service, dict[str, float]]] = [(service, {}) for service in services]

    async def hold(self, race: Race) -> None:
        """Run beside a race or a load, until it ends."""
        while race.end is None:
            # in a thread: to ask a database who waits is a wait, too
            await asyncio.to_thread(self._step)
            await asyncio.sleep(POLL_INTERVAL_S)

    def _step(self) -> None:
        for service, since in self._since:
            held, now = service.held(), time.perf_counter()
            for token in held:
                since.setdefault(token, now)
            if due := [token for token in held if now - since[token] >= self.seconds]:
                service.release(due)
