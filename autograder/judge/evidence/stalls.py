"""Stalls: times in which the app itself stopped its event loop.

A thread whose number of time slices is the same in two samples hasn't run in between. If it slept in a system call other
than the one in which the loop waits for work, the loop was stalled from the first sample to the second.
"""

from __future__ import annotations

import itertools
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.judge.evidence.excuses import (
    cpu_wait_s,
    exec_pipe_wait_s,
    is_spawning,
    other_threads_cpu_wait_s,
    unobserved_spawn_wait_s,
    vfork_wait_s,
)
from autograder.judge.evidence.gil import STALL_MIN_S, gil_held_between, gil_starvation_s
from autograder.judge.evidence.samples import loop_cpu_s, samples_around, samples_near
from autograder.judge.spec.endpoint import RACE_SIZE

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.lab.race import Blocked, Canary, Race

SHORT_SLEEPS_SHARE = 0.3  # share of a race that the loop may spend in short sleeps outside its poll call
CANARY_STALL = 0.040  # s: a canary's time includes some work of the load generator
PER_REQUEST_ALLOWANCE_S = 0.003  # s of work that each request beyond `RACE_SIZE` may add to one iteration of the loop
# a correct app's request needs up to 6 times the CPU time of a canary: 3 ms, where a canary needs 0.5 ms
CANARY_COST_RATIO = 6
ALLOWANCE_MIN_CANARIES = 10
PER_REQUEST_ALLOWANCE_MAX_S = 0.010  # s: three times the allowance on an idle machine
# Numbers of the system calls that wait for a time, or for something outside the process, and for none of its other threads:
# nanosleep, clock_nanosleep, poll, select, ppoll, pselect6, recvfrom, recvmsg, wait4, waitid.
EXTERNAL_WAIT_SYSCALLS = {
    "x86_64": {"35", "230", "7", "23", "271", "270", "45", "47", "61", "247"},
    "aarch64": {"101", "115", "73", "72", "207", "212", "260", "95"},
}.get(platform.machine(), set())


@dataclass(frozen=True)
class Stall:
    """A stall of the loop: the seconds attributed to the app, and how it was seen.

    ``held_gil``: during most of it the loop waited for another thread of the app, which computed.
    """

    seconds: float
    seen: str  # "asleep", "canary" or "turn"
    block: Blocked | None = None  # names the line, if one was seen
    held_gil: bool = False
    free: bool = False  # during most of it the loop waited for work: only the canary was delayed


def sleeps_outside_poll(samples: list[ThreadSample], poll_call: str | None) -> list[float]:
    """Return the attributed seconds of each time that the loop thread slept, without running, outside ``poll_call``."""
    found = []
    index = 0
    while index < len(samples):
        last = index
        if samples[index].call not in ("running", poll_call) and not is_spawning(samples[index]):
            while (
                last + 1 < len(samples)
                and samples[last + 1].slices == samples[index].slices
                and samples[last + 1].call == samples[index].call
            ):
                last += 1
            if last > index:
                own = samples[index].call.split(" ")[0] in EXTERNAL_WAIT_SYSCALLS
                # the kernel adds a run-queue delay when it's over: look one sample further
                after = min(last + 1, len(samples) - 1)
                excuse = (
                    0.0
                    if own
                    else other_threads_cpu_wait_s(samples[index], samples[after])
                    + exec_pipe_wait_s(samples[index : after + 1])
                )
                found.append(samples[last].time - samples[index].time - excuse)
        index = last + 1
    return found


def _at_rest(samples: list[ThreadSample], poll_call: str | None, start: float, end: float) -> float:
    """Return for how many seconds of an interval the samples show the loop waiting for work."""
    if poll_call is None:
        return 0.0
    near = samples_near(samples, start, end)
    return sum(
        min(after.time, end) - max(sample.time, start)
        for sample, after in itertools.pairwise(near)
        if sample.call == poll_call and after.time > start and sample.time < end
    )


def per_request_allowance_s(race: Race, samples: list[ThreadSample]) -> float:
    """Return the seconds of work that each request beyond `RACE_SIZE` may add to one iteration of the loop.

    CPU time grows with the load of a machine. The CPU time of canaries in the same race shows by how much.
    """
    # take a cheap canary: while the others were in progress, the loop also worked on requests
    costs = sorted(canary_cpu_s(samples, canary) for canary in race.canaries if canary.answered)
    typical = costs[len(costs) // 5] if len(costs) >= ALLOWANCE_MIN_CANARIES else 0.0
    return max(PER_REQUEST_ALLOWANCE_S, min(CANARY_COST_RATIO * typical, PER_REQUEST_ALLOWANCE_MAX_S))


def canary_cpu_s(samples: list[ThreadSample], canary: Canary) -> float:
    """Return the most CPU seconds that the loop thread can have spent while a canary was in progress."""
    first, last = samples_around(samples, canary.start, canary.ended_at)
    return last.cpu - first.cpu if first and last else 0.0


def find_stalls(race: Race, samples: list[ThreadSample], poll_call: str | None) -> list[Stall]:
    """Return every stall of the loop that the app itself caused, the longest first."""
    found = []
    allowance = per_request_allowance_s(race, samples) * max(len(race.requests) - RACE_SIZE, 0)
    for block in race.long_iterations:
        first, last = samples_around(samples, block.start, block.end)
        seconds = block.seconds - (other_threads_cpu_wait_s(first, last) if first and last else 0.0)
        seconds -= vfork_wait_s(samples, block.start, block.end) + unobserved_spawn_wait_s(
            samples, block.start, block.end
        )
        seconds -= exec_pipe_wait_s(samples_near(samples, block.start, block.end))
        # CPU time of the loop thread itself in one iteration can't be excused
        seconds = max(seconds, loop_cpu_s(samples, block.start, block.end))
        if seconds >= STALL_MIN_S + allowance:
            found.append(
                Stall(seconds, "turn", block, gil_held_between(samples, poll_call, block.start, block.end, seconds))
            )
    asleep = sleeps_outside_poll(samples, poll_call) if poll_call else []
    found += [Stall(seconds, "asleep") for seconds in asleep if seconds >= STALL_MIN_S + allowance]
    # many short sleeps add up: a loop that sleeps in slices is late for every request too
    if sum(asleep) >= max(SHORT_SLEEPS_SHARE * race.seconds, 5 * STALL_MIN_S):
        found.append(Stall(sum(asleep), "asleep", held_gil=bool(gil_starvation_s(samples, poll_call))))
    for canary in race.canaries:
        if canary.end is None:
            continue
        seconds = canary.end - canary.start - cpu_wait_s(samples, canary.start, canary.end)
        if seconds >= CANARY_STALL + allowance:
            by_thread = gil_held_between(samples, poll_call, canary.start, canary.end, seconds)
            free = _at_rest(samples, poll_call, canary.start, canary.end) >= (canary.end - canary.start) / 2
            found.append(Stall(seconds, "canary", None, by_thread, free))
    return sorted(found, key=lambda stall: -stall.seconds)
