"""Prove that requests overlap, and that the event loop stays free.

No limit here demands a speed. The proof of *overlap* is a rendezvous: all requests are held at a gate at the same time, and
a canary that's sent then is answered before any of them. The proof of *blocked* is an iteration of the loop that's too long
even without the machine's part in it, twice at the same line. `PATIENCE_S` only limits how long a test waits for requests
that never arrive. A correct service never makes a test wait that long.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from freeloop.durations import readable
from freeloop.findings import Block
from freeloop.testing.gates import Gate
from freeloop.testing.requests import Reply, Request
from freeloop.testing.services import Service, line_text, now

BUDGET_S = 0.05  # s: the default for the longest allowed block in one iteration of the loop
HOLD_S = 1.0  # s: an iteration of this length, without its waits for a CPU, counts as blocked by the held call
PATIENCE_S = 15.0  # s without a new call at the gate after which a proof stops waiting for the missing ones
PATIENCE_CANARIES = (
    100  # canaries that must be answered in that time, so that a stalled machine isn't mistaken for a slow service
)
CHECK_INTERVAL_S = 0.05  # s between two checks while a proof waits
FAULTS_MIN = 2  # a line must be over the budget in this many trials
STARVED = 40  # a loop that gets no CPU may take this many times the patience to answer a canary
TRIALS_MAX = 8  # after this many trials, the more frequent result counts
UNKNOWN = "a line that wasn't sampled"


class Unproved(AssertionError):
    """The proof failed: the requests don't overlap, or the loop isn't free. The message says what was observed, and where."""


class LoopBlocked(Unproved):
    """A line blocked the event loop."""


class NotConcurrent(Unproved):
    """The requests were never all in progress at the same time."""


class RequestFailed(Unproved):
    """A request had no response, or an error status."""


Check = Callable[[Request, Reply], object]


def prove_overlap(
    service: Service,
    requests: Sequence[Request],
    gate: Gate,
    budget_s: float = BUDGET_S,
    check: Check | None = None,
    warm_up: bool = True,
    patience_s: float = PATIENCE_S,
) -> list[Reply]:
    """Prove that the requests overlap at the gate while the loop stays free. Return their replies, in order.

    ``check(request, reply)`` is called with each reply and may raise. With ``warm_up``, each different request is sent once
    beforehand, alone, so that the costs of first requests don't count. Raise `LoopBlocked`, `NotConcurrent` or
    `RequestFailed` if the proof fails, and `Unproved` if the machine is too busy to tell.
    """
    __tracebackhide__ = True
    if warm_up:
        _warm_up(service, requests, patience_s)
    return _decide(requests, budget_s, lambda: _rendezvous(service, requests, gate, check, patience_s))


def prove_free(
    service: Service,
    requests: Sequence[Request],
    budget_s: float = BUDGET_S,
    check: Check | None = None,
    warm_up: bool = True,
    patience_s: float = PATIENCE_S,
) -> list[Reply]:
    """Prove that no iteration of the loop is blocked for longer than the budget while the requests are served concurrently.

    Return their replies. Raise `LoopBlocked` or `RequestFailed` if the proof fails, `Unproved` if the machine is too busy to
    tell, and `ValueError` for a service whose loop can't be observed.
    """
    __tracebackhide__ = True
    if not service.watched:
        raise ValueError(
            "the event loop of a running server can't be observed: use app() or serve(), or prove overlaps()"
        )
    if warm_up:
        _warm_up(service, requests, patience_s)

    def trial() -> tuple[list[Reply], list[Block]]:
        __tracebackhide__ = True
        start = now()
        replies = [_reply(service, sent, patience_s) for sent in [service.send(request) for request in requests]]
        _check(requests, replies, check)
        return replies, service.blocks(start, now())

    return _decide(requests, budget_s, trial)


def _decide(
    requests: Sequence[Request], budget_s: float, trial: Callable[[], tuple[list[Reply], list[Block]]]
) -> list[Reply]:
    """Repeat a trial until it's certain whether a line blocks. Return the last trial's replies, or raise `LoopBlocked`.

    A single block proves nothing, because the machine's part in it isn't always measured. A trial whose blocks were excused
    as waits for memory doesn't count as clean.
    """
    __tracebackhide__ = True
    faults: Counter[str] = Counter()
    longest: dict[str, float] = {}
    faulty = clean = 0
    for _ in range(TRIALS_MAX):
        replies, blocks = trial()
        over = _over_budget(blocks, budget_s)
        faults.update(over.keys())
        longest.update({line: max(seconds, longest.get(line, 0.0)) for line, seconds in over.items()})
        faulty += bool(over)
        clean += not over and not any(block.excused_s > budget_s for block in blocks)
        if clean > faulty:
            return replies
        known = [line for line, count in faults.most_common() if count >= FAULTS_MIN and line != UNKNOWN]
        if known:
            raise _blocked(requests, known[0], longest[known[0]])
    if faulty > clean:
        line = faults.most_common(1)[0][0]
        raise _blocked(requests, line, longest[line])
    if not clean:
        raise Unproved(
            f"{requests[0].name}: the machine is short of memory, so the event loop can't be judged. "
            "Run the test again when less is running."
        )
    return replies


def _rendezvous(
    service: Service, requests: Sequence[Request], gate: Gate, check: Check | None, patience_s: float
) -> tuple[list[Reply], list[Block]]:
    __tracebackhide__ = True
    start = now()
    gate.close()
    try:
        sent = [service.send(request) for request in requests]
        _await_arrivals(service, requests, sent, gate, patience_s)
        canary = service.canary()
        waited = _Patience(patience_s, service.watched)
        while not _done(canary, CHECK_INTERVAL_S):
            if (block := service.running_block()) and block[1] >= HOLD_S:
                raise _blocked(requests, *block)
            if waited.over(canaries=PATIENCE_CANARIES):
                raise LoopBlocked(
                    f"All {len(requests)} requests ({requests[0].name}) were in progress, and a canary sent then wasn't answered: "
                    "something blocks the event loop while they wait."
                )
        if any(one.done() for one in sent):
            raise _early(requests, sent, gate)
    finally:
        gate.open()
    replies = [_reply(service, one, patience_s) for one in sent]
    _check(requests, replies, check)
    return replies, service.blocks(start, now())


def _await_arrivals(
    service: Service, requests: Sequence[Request], sent: Sequence[Future[Reply]], gate: Gate, patience_s: float
) -> None:
    __tracebackhide__ = True
    waited, held, answered = _Patience(patience_s, service.watched), 0, 0
    canary = service.canary()
    while not gate.wait_for(len(requests), CHECK_INTERVAL_S):
        if gate.misused:
            raise LoopBlocked(
                f"{requests[0].name} waits on the thread of the event loop, at {gate.misused[0]}\n"
                "While that line waits, no other request is served. Await an async client, or offload the call to a thread."
            )
        if any(one.done() for one in sent):
            raise _early(requests, sent, gate)
        if (block := service.running_block()) and block[1] >= HOLD_S:
            raise _blocked(requests, *block, held=gate.held)
        if gate.held != held:
            held, waited, answered = gate.held, _Patience(patience_s, service.watched), 0
        if canary.done():
            answered += 1
            canary = service.canary()
        if waited.over(answered):
            if not answered:
                raise LoopBlocked(
                    f"Only {held} of {len(requests)} requests ({requests[0].name}) reached the gate, and no canary was answered "
                    "meanwhile: the event loop is blocked."
                )
            lines = "".join(f"\n  {line}" for line in service.waiting_lines())
            raise NotConcurrent(
                f"Only {held} of {len(requests)} requests ({requests[0].name}) reached the gate at the same moment; the event loop was "
                "free. The others wait for one of these: a lock, a semaphore, a pool with too few places, or a cache filled "
                f"by the warm-up (warm_up=False)." + (f" Lines at which requests wait:{lines}" if lines else "")
            )


class _Patience:
    """A limit on the time without progress.

    It's longer if the loop is observed: then a blocked loop is detected after `HOLD_S`, and only a loop that gets no CPU
    takes longer.
    """

    def __init__(self, seconds: float, watched: bool = False) -> None:
        self._end = time.monotonic() + seconds
        self._last = time.monotonic() + (STARVED if watched else 4) * seconds

    def over(self, canaries: int) -> bool:
        """Return True when the time is over and enough canaries were answered, or after much longer without them."""
        current = time.monotonic()
        return current > self._end and (canaries >= PATIENCE_CANARIES or current > self._last)


def _warm_up(service: Service, requests: Sequence[Request], patience_s: float) -> None:
    __tracebackhide__ = True
    different = list({(one.method, one.path, repr(one.json)): one for one in requests}.values())
    replies = [_reply(service, service.send(request), patience_s) for request in different]
    _check(different, replies, None)


def _reply(service: Service, sent: Future[Reply], patience_s: float) -> Reply:
    __tracebackhide__ = True
    waited, canary, answered = _Patience(4 * patience_s, service.watched), service.canary(), 0
    while not _done(sent, CHECK_INTERVAL_S):
        if canary.done():
            answered += 1
            canary = service.canary()
        block = service.running_block()
        stuck = block is not None and block[1] > 4 * patience_s
        if stuck or waited.over(answered):
            where = f" The event loop is at {block[0]}" if block else ""
            return Reply(None, error=f"no response after more than {4 * patience_s:.0f} s.{where}")
    return sent.result()


def _done(sent: Future[Reply], seconds: float) -> bool:
    try:
        sent.exception(seconds)
    except FutureTimeout:
        return False
    return True


def _check(requests: Sequence[Request], replies: Sequence[Reply], check: Check | None) -> None:
    __tracebackhide__ = True
    for request, reply in zip(requests, replies, strict=True):
        if reply.status is None or reply.status >= 400:
            said = reply.error or reply.text[:500]
            raise RequestFailed(f"{request.name}: {'no response' if reply.status is None else reply.status}\n{said}")
        if check is not None:
            check(request, reply)


def _early(requests: Sequence[Request], sent: Sequence[Future[Reply]], gate: Gate) -> Unproved:
    number = next(number for number, one in enumerate(sent) if one.done())
    reply = sent[number].result()
    if reply.status is None or reply.status >= 400:
        said = reply.error or reply.text[:500]
        return RequestFailed(f"{requests[number].name}: {reply.status or 'no response'}\n{said}")
    return NotConcurrent(
        f"{requests[number].name} was answered ({reply.status}) while the gate was closed, so it didn't wait there. Does it call "
        "what the gate stands for? A response that is cached doesn't: pass warm_up=False, or requests that differ."
    )


def _over_budget(blocks: Sequence[Block], budget_s: float) -> dict[str, float]:
    """Return the longest block over the budget in seconds, by the line in which most of the block was spent."""
    found: dict[str, float] = {}
    for block in blocks:
        if block.blocked_s > budget_s:
            place = block.where[0] if block.where else None
            line = line_text(place["file"], place["line"], place["code"]) if place and place["file"] else UNKNOWN
            found[line] = max(found.get(line, 0.0), block.blocked_s)
    return found


def _blocked(requests: Sequence[Request], line: str, seconds: float, held: int | None = None) -> LoopBlocked:
    seen = "" if held is None else f" Only {held} of {len(requests)} requests reached the gate."
    return LoopBlocked(
        f"{requests[0].name} blocked the event loop for {readable(seconds)} at {line}\n"
        f"While that line runs, no other request is served.{seen} Await an async call there, or offload it to a thread or process."
    )
