"""Injects latency into services: each reply is released after a fixed time."""

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
    """Holds each reply of ``services`` for ``seconds``. They must be holding their replies already."""

    def __init__(self, services: Iterable[Service], seconds: float) -> None:
        self.seconds = seconds
        self._since: list[tuple[Service, dict[str, float]]] = [(service, {}) for service in services]

    async def hold(self, race: Race) -> None:
        """Run during a race or a load, until it ends."""
        while race.end is None:
            # in a thread, because asking a database for its waiting clients blocks
            await asyncio.to_thread(self._step)
            await asyncio.sleep(POLL_INTERVAL_S)

    def _step(self) -> None:
        for service, since in self._since:
            held, now = service.held(), time.perf_counter()
            for token in held:
                since.setdefault(token, now)
            if due := [token for token in held if now - since[token] >= self.seconds]:
                service.release(due)
