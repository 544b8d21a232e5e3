"""Whether requests waited at the same time, in what groups they were served, and whether canaries overtook them.

A request that waits ``w`` seconds and was sent at ``s`` and answered at ``e`` waited somewhere in [s, e].  At every moment
in [e - w, s + w] it was certainly waiting.  If one moment lies in that interval for all requests, all of them waited at
once.  Load can only empty the interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.judge.evidence.excuses import reply_delay_excuse_s

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.lab.race import Race, Request

LATE_MIN_S = 2.0  # s, attributed, between the moment at which an answer was due and the answer
LATE_MIN_CANARIES = 20  # canaries answered in between
MIN_GAP_SHARE = 0.8  # share of a request's own wait that lies, attributed, between two answers that were served in turn


def certainly_overlapped(race: Race, waits: list[float]) -> bool:
    """True if there was a moment at which every request of the race was certainly waiting."""
    return _together(list(zip(race.requests, waits, strict=True)))


def _together(pairs: list[tuple[Request, float]]) -> bool:
    return max(r.ended_at - w for r, w in pairs) < min(r.sent_at + w for r, w in pairs)


def proved_batch_size(race: Race, waits: list[float], samples: list[ThreadSample]) -> int | None:
    """How many requests were served together, if they were served in turns; None if that is not proved.

    Proved means: the first group certainly waited together, and after it was answered the next request
    took its full wait, although all were sent at once.
    """
    order = sorted(zip(race.requests, waits, strict=True), key=lambda pair: pair[0].ended_at)
    for served in range(1, len(order)):
        before, (after, wait) = order[served - 1][0], order[served]
        gap = after.ended_at - before.ended_at - reply_delay_excuse_s(race, samples, before.ended_at, after.ended_at)
        if gap >= MIN_GAP_SHARE * wait:
            return served if _together(order[:served]) else None
    return None


def late(race: Race, samples: list[ThreadSample], due: list[float]) -> tuple[Request, float] | None:
    """(request, seconds) of the first answer, if it came long after the moment at which it was ``due``; else None.

    The request that is answered first has waited for no other one.  The loop must have answered many canaries since.
    """
    request, moment = min(zip(race.requests, due, strict=True), key=lambda pair: pair[0].ended_at)
    ticks = sum(c.answered and c.start >= moment and c.ended_at <= request.ended_at for c in race.canaries)
    seconds = request.ended_at - moment - reply_delay_excuse_s(race, samples, moment, request.ended_at)
    return (request, seconds) if seconds >= LATE_MIN_S and ticks >= LATE_MIN_CANARIES else None


def waited_for(
    race: Race, samples: list[ThreadSample], request: Request, wait: float, other: Request, least: float, canaries: int
) -> bool:
    """True if a request that was to take ``wait`` seconds was answered late, and only when ``other`` was.

    ``least`` is by how many attributed seconds it must have been late, and ``canaries`` how many the loop must have answered
    in that time.
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
    """True if ``request`` was answered nearly its whole ``wait`` later than ``other``, in attributed seconds."""
    gap = request.ended_at - other.ended_at
    return gap - reply_delay_excuse_s(race, samples, other.ended_at, request.ended_at) >= MIN_GAP_SHARE * wait


def overtaken(race: Race) -> int:
    """How many canaries were sent after the last request and answered before the first answer."""
    last_sent = max(r.sent_at for r in race.requests)
    first_end = min(r.ended_at for r in race.requests)
    return sum(c.answered and c.start >= last_sent and c.ended_at <= first_end for c in race.canaries)
