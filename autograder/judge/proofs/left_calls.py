"""Whether a call is over after the response: a service sees it end, because its connection closes or its query is cancelled."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from autograder.judge.proofs.quiescence import POLL_INTERVAL_S

if TYPE_CHECKING:
    from autograder.services import Service

LEAVE_LIMIT_S = (2.0, 8.0)  # s that a call gets to end after the response, in the first trial and in later ones


def leave_limit(trials: int) -> float:
    """Return how many seconds a call gets to end, after so many earlier trials."""
    return LEAVE_LIMIT_S[min(trials, len(LEAVE_LIMIT_S) - 1)]


async def lasting(service: Service, tokens: set[str], limit: float) -> bool:
    """Return True if the call for any of the tokens still waits for its reply ``limit`` seconds from now."""
    deadline = time.monotonic() + limit
    while tokens.intersection(service.held()):
        if time.monotonic() >= deadline:
            return True
        await asyncio.sleep(POLL_INTERVAL_S)
    return False
