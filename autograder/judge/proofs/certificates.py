"""Certificates: the failing verdicts that the evidence of one race supports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.diagnoses.hints import polls
from autograder.judge.diagnoses.lesson_links import source
from autograder.judge.evidence import gil
from autograder.judge.evidence.samples import cpu_of_other_threads_s
from autograder.judge.evidence.stalls import find_stalls
from autograder.judge.verdict import DiagnosisKind, Outcome, Verdict

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.judge.spec.endpoint import CheckRequest
    from autograder.lab.race import Blocked, Race

CLIENT = re.compile(r"\bAsyncClient\(|\bcreate_default_context\(")  # each one loads certificates, 10 to 30 ms of work
CLIENT_MIN_S = 0.006  # s: with a context that exists already, a client takes less than half of that


def blocked(race: Race, samples: list[ThreadSample], poll_call: str | None, computes: bool = False) -> Verdict | None:
    """Return the failing `Verdict` if the app itself blocked its loop in this race, else None.

    With ``computes`` the app's threads have CPU-bound work to do, and a thread that holds the GIL for it is reported even if
    the loop was never blocked for long.
    """
    stalls = find_stalls(race, samples, poll_call)
    held = gil.gil_starvation_s(samples, poll_call)
    if (stalls and all(stall.held_gil for stall in stalls)) or (computes and held and not stalls):
        return _held(race, held or sum(stall.seconds for stall in stalls))
    stalls = [stall for stall in stalls if not stall.held_gil]
    if not stalls:
        return _client_each(race)
    if all(stall.free for stall in stalls):
        return Verdict(Outcome.FAIL, DiagnosisKind.EVERYBODY_WAITS, messages.everybody_waits(stalls[0].seconds))
    named = next((stall.block for stall in stalls if stall.block is not None), race.worst_block)
    if named and not named.in_app:
        # a stall that's nearly as long, and whose line was seen, says more than one without a line
        seen = (stall.block for stall in stalls if stall.block is not None and stall.block.in_app)
        named = next((block for block in seen if block.seconds >= named.seconds / 2), named)
    if named and not named.in_app and (seconds := _taken_by_a_thread(race, samples, named)):
        return _held(race, seconds)
    if named and named.in_app and CLIENT.search(named.code) and (found := _client_each(race)):
        return found  # one of them takes little time, and says nothing of what many take
    line = named.line if named and named.in_app else None
    return Verdict(
        Outcome.FAIL,
        DiagnosisKind.BLOCKED,
        messages.blocked(stalls, len(race.requests), named),
        line,
        nameless=line is None,
    )


def _taken_by_a_thread(race: Race, samples: list[ThreadSample], block: Blocked) -> float:
    """Return the CPU seconds of the app's threads during ``block``, if the loop itself computed little in that time; else 0.0.

    The loop was then returning from a call of the framework's own that releases the GIL, and a thread had taken the GIL.
    """
    seconds = cpu_of_other_threads_s(samples, block.start, block.end)
    ours = sum(spent for place, spent in race.busy.items() if place[3] == race.file)
    return seconds if min(seconds, ours) >= max(gil.GIL_STARVATION_MIN_S, block.seconds / 2) else 0.0


def _client_each(race: Race) -> Verdict | None:
    """Return the failing `Verdict` if the loop was seen making an HTTP client in this race, else None.

    A client for the whole app is made in the warm-up at the latest, before the first race. So this needs no measured time.
    """
    made = (place for place, seconds in race.found.items() if seconds >= CLIENT_MIN_S and CLIENT.search(place[1]))
    line, code = next(made, (None, ""))
    return Verdict(Outcome.FAIL, DiagnosisKind.BLOCKED, messages.client_each(line, code), line) if line else None


def _held(race: Race, seconds: float) -> Verdict:
    """Return the failing `Verdict` for threads that hold the GIL while they compute."""
    place = max(race.busy, key=lambda place: race.busy[place], default=None)
    line = place[0] if place and place[3] == race.file else None
    if polling := polls(source(race.file).decode(errors="replace")):
        return Verdict(Outcome.FAIL, DiagnosisKind.GIL, messages.never_rests(seconds, *polling), polling[0])
    return Verdict(Outcome.FAIL, DiagnosisKind.GIL, messages.gil(seconds, place, line), line, nameless=place is None)


def answered_late(call: CheckRequest, seconds: float) -> Verdict:
    """Return the failing `Verdict` for a response that came long after it was due."""
    return Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOO_LATE, messages.too_late(call, seconds))


def served_in_turns(served: int, requests: int, calls: int = 1) -> Verdict:
    """Return the failing `Verdict` for requests of which only ``served`` are served at a time.

    With several ``calls`` per request, ``served`` is the number of calls that are in progress at a time.
    """
    if served == 1:
        return Verdict(Outcome.FAIL, DiagnosisKind.ONE_AT_A_TIME, messages.one_at_a_time())
    return Verdict(Outcome.FAIL, DiagnosisKind.FEW_AT_A_TIME, messages.few_at_a_time(served, requests, calls))
