"""Whether requests waited at the same time, in what groups they were served, and whether canaries overtook them.

A request that waits ``w`` seconds, was sent at ``s`` and was answered at ``e`` certainly waited during [e - w, s + w]. If
these intervals of all requests have a moment in common, all requests waited at the same time. Load can only make an
interval shorter, so it can't fake the proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.judge.evidence.excuses import reply_delay_excuse_s

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.lab.race import Race, Request

LATE_MIN_S = 2.0  # attributed s between the moment at which a response was due and the response
LATE_MIN_CANARIES = 20  # canaries answered in between
# share of a request's own wait that lies, attributed, between two responses that were served in turns
MIN_GAP_SHARE = 0.8


def certainly_overlapped(race: Race, waits: list[float]) -> bool:
    """Return True if there was a moment at which every request of the race was certainly waiting."""
    return _together(list(zip(race.requests, waits, strict=True)))


def _together(pairs: list[tuple[Request, float]]) -> bool:
    return max(r.ended_at - w for r, w in pairs) < min(r.sent_at + w for r, w in pairs)


def proved_batch_size(race: Race, waits: list[float], samples: list[ThreadSample]) -> int | None:
    """Return how many requests were served together, if they were served in turns; None if that isn't proved.

    It's proved if the first group certainly waited together, and the next request took its full wait after that group was
    answered, although all were sent at the same moment.
    """
    order = sorted(zip(race.requests, waits, strict=True), key=lambda pair: pair[0].ended_at)
    for served in range(1, len(order)):
        before, (after, wait) = order[served - 1][0], order[served]
        gap = after.ended_at - before.ended_at - reply_delay_excuse_s(race, samples, before.ended_at, after.ended_at)
        if gap >= MIN_GAP_SHARE * wait:
            return served if _together(order[:served]) else None
    return None


def late(race: Race, samples: list[ThreadSample], due: list[float]) -> tuple[Request, float] | None:
    """Return (request, seconds late) of the first response, if it came long after it was ``due``; else None.

    The request that is answered first hasn't waited for any other. The loop must have answered many canaries in between.
    """
    request, moment = min(zip(race.requests, due, strict=True), key=lambda pair: pair[0].ended_at)
    ticks = sum(c.answered and c.start >= moment and c.ended_at <= request.ended_at for c in race.canaries)
    seconds = request.ended_at - moment - reply_delay_excuse_s(race, samples, moment, request.ended_at)
    return (request, seconds) if seconds >= LATE_MIN_S and ticks >= LATE_MIN_CANARIES else None


def waited_for(
    race: Race, samples: list[ThreadSample], request: Request, wait: float, other: Request, least: float, canaries: int
) -> bool:
    """Return True if a request that should take ``wait`` seconds was answered late, and no earlier than ``other``.

    ``least`` is the number of attributed seconds by which it must have been late, and ``canaries`` the number of canaries
    that the loop must have answered in that time.
    """
    due = request.sent_at + wait
    if request.ended_at < other.ended_at - least / 2:
        return False
    ticks = sum(c.answered and c.start >= due and c.ended_at <= request.ended_at for c in race.canaries)
    return (
        ticks >= canaries
        and request.ended_at - due - reply_delay_excuse_s(race, samples, due, request.ended_at) >= least
    )


def waited_after(race: Race, samples: list[ThreadSample], request: Request, wait: float, other: Request) -> bool:
    """Return True if ``request`` was answered nearly its whole ``wait``, in attributed seconds, after ``other``."""
    gap = request.ended_at - other.ended_at
    return gap - reply_delay_excuse_s(race, samples, other.ended_at, request.ended_at) >= MIN_GAP_SHARE * wait


def overtaken(race: Race) -> int:
    """Return how many canaries were sent after the last request and answered before the first response."""
    last_sent = max(r.sent_at for r in race.requests)
    first_end = min(r.ended_at for r in race.requests)
    return sum(c.answered and c.start >= last_sent and c.ended_at <= first_end for c in race.canaries)
