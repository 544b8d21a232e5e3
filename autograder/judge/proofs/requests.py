"""Sends requests to an app as a race, and checks that every response is right."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.diagnoses.hints import SECOND_LOOP, gave_up, remedy, remedy_of_answer, remedy_of_coroutine
from autograder.judge.evidence import excuses, samples
from autograder.judge.evidence.stalls import Stall
from autograder.judge.proofs.quiescence import POLL_INTERVAL_S
from autograder.judge.spec.endpoint import RACE_SIZE
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Inconclusive, Trial
from autograder.lab import load_generator_client, reports, run_race
from autograder.lab.server import first_frame_in
from autograder.programs.messages.races import Cancel, RaceRequest, poll_descriptor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
    from typing import Any, NoReturn

    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.race import Race, Request
    from autograder.lab.server import Server
    from autograder.programs.messages.reports import PythonWarning, RequestFailed

# s without a request, in which the loop is seen idle: more each time if a busy machine hid it. The first of them comes
# before the requests of the warm-up.
IDLE_S = (0.03, 0.1, 0.3, 1.0, 3.0)
ELSEWHERE_MIN_RACES = 2  # races in which another process or loop served the connections, before that is a fault
NOT_HELD = re.compile("not acquired|not holding|un-acquired")  # what locks of asyncio, anyio and threading say
FORGOTTEN_AWAIT_S = 1.0  # s beyond its wait that a response gets after Python has warned of a missing await ...
FORGOTTEN_AWAIT_MIN_CANARIES = 30  # ... and canaries that are answered in that time
DELAY_POLL_INTERVAL_S = 0.05  # s that the task sleeps which measures the delay of this process
DELAY_MIN_S = 0.1  # s: shorter delays are usual on a busy machine, and delay no response by much
ANSWER_LIMIT_S = 10.0  # s beyond its wait that a single request gets


class AnsweredTooEarly(AnswerFault):
    """The ``request`` for ``call`` was answered before its wait was over."""

    def __init__(self, race: Race, request: Request, call: CheckRequest) -> None:
        super().__init__(DiagnosisKind.ANSWERED_TOO_EARLY, messages.too_early(call, request.ended_at - request.sent_at))
        self.race, self.request, self.call = race, request, call


async def run_requests(
    app: Server,
    calls: list[CheckRequest],
    limit: float,
    *,
    title: str = "check",
    show: bool = False,
    companion: Callable[[Race], Coroutine[Any, Any, None]] | None = None,
    at: list[float] | None = None,
    on_order: Iterable[int] = (),
    poll_call: str | None = None,
    **fields: Any,
) -> Race:
    """Race the calls and return the `Race`. Raises `AnswerFault` for the first wrong response.

    ``at`` says when each one is sent, in seconds after the start; without it, they're sent together. Those whose numbers are
    in ``on_order`` are sent when the load generator gets a `Send` order. ``poll_call`` is the result of `find_poll_syscall`, and
    ``fields`` are fields of the race. ``companion`` runs during the race; without one, the race ends early if a response
    can't come because of a missing await.
    """
    on_order = set(on_order)
    requests = [
        RaceRequest(i, call.method, call.path, at=moment, on_order=i in on_order)
        for i, (call, moment) in enumerate(zip(calls, at or [0.0] * len(calls), strict=True))
    ]
    companion = _delay_measured(companion or _until_forgotten(app, calls))
    race = await run_race.run(
        app,
        requests,
        title=title,
        show=show,
        limit=limit,
        sample=True,
        epoll=poll_descriptor(poll_call),
        companion=companion,
        **fields,
    )
    if app.races_elsewhere >= ELSEWHERE_MIN_RACES:
        raise AnswerFault(DiagnosisKind.SEVERAL_PROCESSES, messages.several_processes())
    for request, call in zip(race.requests, calls, strict=True):
        _check_answer(app, race, request, call, limit)
    return race


def _delay_measured(
    companion: Callable[[Race], Coroutine[Any, Any, None]],
) -> Callable[[Race], Coroutine[Any, Any, None]]:
    """Return ``companion`` with a task that adds up, in the race's ``host_delay_s``, how late this process wakes up."""

    async def measure(race: Race) -> None:
        while race.end is None:
            asleep = time.perf_counter()
            await asyncio.sleep(DELAY_POLL_INTERVAL_S)
            late = time.perf_counter() - asleep - DELAY_POLL_INTERVAL_S
            race.host_delay_s += late if late >= DELAY_MIN_S else 0.0

    async def both(race: Race) -> None:
        clock = asyncio.create_task(measure(race))
        clocks.add(clock)
        clock.add_done_callback(clocks.discard)
        try:
            await companion(race)
        except BaseException:
            clock.cancel()
            raise

    clocks: set[asyncio.Task[None]] = set()  # the loop only has weak references to its tasks
    return both


def _until_forgotten(app: Server, calls: list[CheckRequest]) -> Callable[[Race], Coroutine[Any, Any, None]]:
    """Return a companion that ends a race if responses are still missing long after Python has warned of a missing await."""

    async def watch(race: Race) -> None:
        while race.end is None:
            if race.began is not None and next(forgotten(app), None):
                due = max(request.start or 0.0 for request in race.requests) + max(call.wait for call in calls)
                ticks = sum(c.answered and c.start >= due for c in race.canaries)
                if (
                    ticks >= FORGOTTEN_AWAIT_MIN_CANARIES
                    and time.perf_counter() - race.began >= due + FORGOTTEN_AWAIT_S
                ):
                    load_generator_client.load_generator().order(Cancel())
                    return
            await asyncio.sleep(POLL_INTERVAL_S)

    return watch


def forgotten(app: Server) -> Iterator[tuple[str, PythonWarning]]:
    """Yield (name of the coroutine, the warning) for each of Python's warnings of a coroutine that was never awaited."""
    for warning in list(app.warnings):
        if found := re.search(r"coroutine '([\w.<>]+)' was never awaited", warning.message):
            yield found.group(1), warning


async def run_at_each_size(endpoint: Endpoint, show: bool, race: Callable[[int, bool], Awaitable[Trial]]) -> Trial:
    """Return the `Trial` of a race of the endpoint's size, and for a large race also of one with a few requests.

    Forty requests that arrive at the same moment keep any loop busy for a while, so a blocking one is easier to see among
    a few. ``race(count, shown)`` returns the `Trial` of one race; a race that is shown comes first.
    """
    sizes = sorted({RACE_SIZE, endpoint.raced}, reverse=show) if endpoint.large else [endpoint.raced]
    proved = True
    for count in sizes:
        one = await race(count, show and count == endpoint.raced)
        if one.fault:
            return one
        proved = proved and one.proved
    return Trial(proved=proved)


async def find_poll_syscall(app: Server, race: Race) -> str | None:
    """Return the system call in which the idle loop waits for work; None if the system doesn't show it.

    It's taken from the samples before the first request of ``race``, whose requests are all sent late, and then from races
    of its own. Raises `Inconclusive` if there are samples and none shows the loop waiting, because then it can't be judged.
    """
    first = min(request.sent_at for request in race.requests)
    if found := samples.poller([sample for sample in samples.decode_samples(race) if sample.time < first]):
        return found
    for seconds in IDLE_S[1:] if race.samples else ():
        idle = [RaceRequest(0, "GET", run_race.canary_path(), at=seconds)]
        race = await run_race.run(app, idle, title="idle", limit=ANSWER_LIMIT_S, sample=True)
        found = samples.poller(samples.decode_samples(race))
        if found:
            return found
    if race.samples and samples.POLL_SYSCALLS:
        raise Inconclusive(
            "the event loop was never seen waiting for work. Try again; and if the machine is not busy: does something in the app "
            "never stop, not even when nobody asks?"
        )
    return None


def _check_answer(app: Server, race: Race, request: Request, call: CheckRequest, limit: float) -> None:
    if request.status is None or request.error:
        if app.alive and _error_of(race, call):
            _server_error(app, race, request, call)  # a streaming response broke off
        _no_answer(app, race, request, call, limit)
    if request.status >= 500:
        _server_error(app, race, request, call)
    if request.status != 200:
        raise AnswerFault(DiagnosisKind.WRONG_ANSWER, messages.wrong_status(call, request))
    if not _equal(request.body, call.expected):
        if _error_of(race, call):
            _server_error(app, race, request, call)
        raise AnswerFault(
            DiagnosisKind.WRONG_ANSWER, messages.wrong_body(call, request, remedy_of_answer(request.body))
        )
    if request.ended_at - request.sent_at < call.wait * 0.98:
        never_awaited(app)
        raise AnsweredTooEarly(race, request, call)


def never_awaited(app: Server, ended: str = "", seen: int | None = None) -> None:
    """Raise the `AnswerFault` for a missing await if Python has warned of one in the app.

    ``ended`` is the diagnosis of the exception with which a request ended, and ``seen`` the line of that exception.
    """
    for name, warning in forgotten(app):
        place = first_frame_in(warning.where, app.file)
        line, code = (place.line, place.code[:100]) if place else (None, "")
        hint = remedy_of_coroutine(name, _text(app.file))
        raise AnswerFault(
            DiagnosisKind.MISSING_AWAIT, messages.missing_await(name, line, code, ended, hint), line or seen
        )


def _error_of(race: Race, call: CheckRequest) -> RequestFailed | None:
    """Return the exception that ended the app's work on a call, as the served process reported it, or None."""
    return next((e for e in race.errors if call.path.partition("?")[0] == e.path), None)


def _server_error(app: Server, race: Race, request: Request, call: CheckRequest) -> None:
    error = _error_of(race, call)
    last = error.where[-1] if error and error.where else None
    line = last.line if last else None
    hint = remedy(error.message, last.code, _text(app.file)) if error and last and last.line else ""
    if (
        error and not hint and SECOND_LOOP.search(error.message)
    ):  # also within the error of a library that called the app
        hint = remedy(error.message, "")
    hint = hint or (gave_up(error.type) if error else "")
    text = messages.server_error(call, error, hint) if error else ""
    ended = text if line else ""  # an exception without a line of the app tells a learner nothing
    if hint:
        raise AnswerFault(
            DiagnosisKind.MISSING_AWAIT if error and "'coroutine'" in error.message else DiagnosisKind.SERVER_ERROR,
            text,
            line,
        )
    # asyncio.run() in a running loop also leaves a coroutine unawaited, but its own message says what is wrong.
    # A lock that can't be released was most likely never acquired, because that coroutine wasn't awaited.
    if error is None or error.type != "RuntimeError" or NOT_HELD.search(error.message):
        never_awaited(app, ended, line)
    # these two messages name a coroutine for other reasons: it's awaited twice, or two tasks use one connection
    other = error and any(words in error.message for words in ("already awaited", "another coroutine"))
    missing = error and ("coroutine" in error.message or "await wasn't used" in error.message)
    if missing and not other:
        raise AnswerFault(DiagnosisKind.MISSING_AWAIT, messages.missing_await(ended=ended), line)
    if error:
        raise AnswerFault(DiagnosisKind.SERVER_ERROR, text, line)


def _text(file: str | Path) -> str:
    """Return the learner's file as text, from which hints recognise what was meant. It's never run here."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _no_answer(app: Server, race: Race, request: Request, call: CheckRequest, limit: float) -> NoReturn:
    if not app.alive or (request.error and "no response" not in request.error):
        raise AnswerFault(
            DiagnosisKind.SERVER_DIED, reports.FLOODED if app.flooded else messages.died(call, _text(app.file))
        )
    never_awaited(app)
    delay = max(excuses.cpu_wait_s(samples.decode_samples(race), 0.0, limit, watching=False), race.host_delay_s)
    if delay > limit / 2:  # the app's delay, or that of this process, in which services may have to reply
        raise Inconclusive("the machine was too busy to answer in time. Try again.")
    stalls = [Stall(b.seconds, "turn", b) for b in race.blocked]
    text = messages.no_answer(call, limit)
    raise AnswerFault(
        DiagnosisKind.NO_ANSWER,
        text + (" " + messages.blocked(stalls, len(race.requests), stalls[0].block) if stalls else ""),
    )


def _equal(body: str, expected: object) -> bool:
    try:
        return json.loads(body) == expected
    except (ValueError, RecursionError):
        return False
