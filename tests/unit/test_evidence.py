"""What a race proves, on made-up races: each rule must hold, and must fail where its fact is missing."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import until

from autograder.benchmarks import cpu_load
from autograder.judge.evidence import excuses, gil, overlap, samples
from autograder.judge.evidence.samples import ThreadSample
from autograder.judge.evidence.stalls import (
    EXTERNAL_WAIT_SYSCALLS,
    find_stalls,
    per_request_allowance_s,
    sleeps_outside_poll,
)
from autograder.judge.proofs import certificates
from autograder.lab.race import Blocked, Canary, Race, Request
from autograder.programs import load_generator, procfs


def race_of(*spans, canaries=(), blocked=()):
    requests = [Request(i, "/", start=start, end=end, status=200) for i, (start, end) in enumerate(spans)]
    return Race("t", "app.py", requests, [Canary(*c, answered=True) for c in canaries], list(blocked), began=0.0)


def samples_of(*rows):
    """(time, slices, call) and, at will, seconds in the queue of the loop, of a worker, of the sampler."""
    filled = [(*row, *([0.0] * (6 - len(row)))) for row in rows]
    return [
        ThreadSample(t, 0.0, loop, slices, call, {8: (0.0, worker)}, {9: (0.0, sampler)}, 0.0)
        for t, slices, call, loop, worker, sampler in filled
    ]


def with_other_thread(*rows):
    """(time, slices, call, CPU seconds of each worker)"""
    workers = [{tid: (cpu, 0.0) for tid, cpu in enumerate(row[3:])} for row in rows]
    return [ThreadSample(*row[:1], 0.0, 0.0, *row[1:3], w, {}, 0.0) for row, w in zip(rows, workers, strict=True)]


def test_equal_request_waits_afterwards():
    """Only a response that comes a whole wait after the other one proves that its wait began after it."""
    samples = samples_of((0.0, 1, "7"), (2.0, 2, "7"))
    for end, after in ((0.7, False), (1.0, True)):
        race = race_of((0.0, 0.5), (0.2, end))
        assert overlap.waited_after(race, samples, race.requests[1], 0.5, race.requests[0]) == after


def test_overlap_needs_a_certain_moment():
    """Requests overlapped only if there was a moment at which all were certainly being served."""
    assert overlap.certainly_overlapped(race_of((0, 0.3), (0.01, 0.31)), [0.25, 0.25])
    # answered so late that the second may have begun when the first had ended
    assert not overlap.certainly_overlapped(race_of((0, 0.3), (0.01, 0.56)), [0.25, 0.25])


def test_load_only_weakens_the_proof():
    """Load can only take the proof of overlap away, never add one."""
    for late in (0.0, 0.1, 0.2, 0.24):
        assert overlap.certainly_overlapped(race_of((0, 0.25), (0, 0.25 + late)), [0.25, 0.25])
    for late in (0.25, 1.0, 9.0):
        assert not overlap.certainly_overlapped(race_of((0, 0.25), (0, 0.25 + late)), [0.25, 0.25])


@pytest.mark.parametrize(
    "ends, served",
    [
        ((0.25, 0.50, 0.75, 1.00), 1),
        ((0.25, 0.26, 0.51, 0.52), 2),
        ((0.25, 0.25, 0.26, 0.52), 3),
        ((0.25, 0.26, 0.27, 0.28), None),
    ],
)
def test_turns_are_counted(ends, served):
    race = race_of(*((0.0, end) for end in ends))
    assert overlap.proved_batch_size(race, [0.25] * 4, []) == served


def test_starved_machine_proves_no_queue():
    """If threads waited for a CPU, a gap between responses doesn't prove a queue."""
    race = race_of((0.0, 0.25), (0.0, 0.5))
    starved = samples_of((0.2, 1, "poll", 0.0), (0.55, 2, "poll", 0.24))
    assert overlap.proved_batch_size(race, [0.25, 0.25], starved) is None
    others_starved = samples_of((0.2, 1, "poll", 0.0, 0.0), (0.55, 2, "poll", 0.0, 0.24))
    assert overlap.proved_batch_size(race, [0.25, 0.25], others_starved) is None
    # our own sampler stands in the queue all the time, and is no excuse for a whole request
    sampler_starved = samples_of((0.2, 1, "poll"), (0.55, 2, "poll", 0.0, 0.0, 0.24))
    assert overlap.proved_batch_size(race, [0.25, 0.25], sampler_starved) == 1


def test_answered_canaries_rule_out_starvation():
    """A loop that answered canaries meanwhile can't claim that it had no CPU."""
    ticking = [(0.26 + 0.02 * i, 0.27 + 0.02 * i) for i in range(6)]
    starved = samples_of((0.2, 1, "poll", 0.0), (0.55, 2, "poll", 0.24))
    race = race_of((0.0, 0.25), (0.0, 0.5), canaries=ticking)
    assert overlap.proved_batch_size(race, [0.25, 0.25], starved) == 1
    assert (
        overlap.proved_batch_size(race_of((0.0, 0.25), (0.0, 0.5), canaries=ticking[:4]), [0.25, 0.25], starved) is None
    )
    # its worker threads have one, if it was they that waited
    workers = samples_of((0.2, 1, "poll", 0.0, 0.0), (0.55, 2, "poll", 0.0, 0.24))
    assert overlap.proved_batch_size(race, [0.25, 0.25], workers) is None


def test_uncertain_batch_is_not_counted():
    """A group of requests that wasn't certainly served together has no size."""
    # one at a time, but the proof of the first gap drowned in load: saying "two" would be a guess
    race = race_of((0.0, 0.25), (0.0, 0.55), (0.0, 0.80))
    busy = samples_of((0.2, 1, "poll", 0.0), (0.54, 2, "poll", 0.2), (0.56, 3, "poll", 0.2), (0.9, 4, "poll", 0.2))
    assert overlap.proved_batch_size(race, [0.25] * 3, busy) is None


def test_overtaking_has_a_certain_window():
    """Canaries count as overtaking only between the last request sent and the first response."""
    race = race_of((0.0, 0.3), (0.01, 0.31), canaries=[(0.005, 0.02), (0.05, 0.06), (0.29, 0.32)])
    assert overlap.overtaken(race) == 1


def test_sleep_needs_unchanged_slices():
    """The loop slept outside its poller only if its thread didn't run in between."""
    poll_call = "232 0x5"
    asleep = samples_of((0.0, 7, "230 0x1"), (0.01, 7, "230 0x1"), (0.05, 7, "230 0x1"))
    assert sleeps_outside_poll(asleep, poll_call) == [pytest.approx(0.05)]
    moving = samples_of((0.0, 7, "230 0x1"), (0.01, 8, "230 0x1"), (0.05, 9, "230 0x1"))
    assert sleeps_outside_poll(moving, poll_call) == []
    waiting_for_work = samples_of((0.0, 7, poll_call), (0.5, 7, poll_call))
    assert sleeps_outside_poll(waiting_for_work, poll_call) == []
    for_a_thread_that_has_no_cpu = samples_of((0.0, 7, "202 0x1", 0.0, 0.0), (0.05, 7, "202 0x1", 0.0, 0.045))
    assert sleeps_outside_poll(for_a_thread_that_has_no_cpu, poll_call) == [pytest.approx(0.005)]


@pytest.mark.skipif(
    not EXTERNAL_WAIT_SYSCALLS, reason="the numbers of system calls are known for Linux on x86-64 and arm64"
)
def test_starved_threads_excuse_no_sleep():
    """Threads without a CPU excuse no loop that waits for something other than a thread."""
    asleep = samples_of((0.0, 7, "NAP", 0.0, 0.0), (0.05, 7, "NAP", 0.0, 0.045))
    for number in EXTERNAL_WAIT_SYSCALLS:
        napping = [replace(sample, call=f"{number} 0x1") for sample in asleep]
        assert sleeps_outside_poll(napping, "232 0x5") == [pytest.approx(0.05)]


def test_starved_child_excuses_its_parent():
    """The parent reads on a pipe that the child closes when it gets a CPU; one that has it, and sleeps, is no excuse."""
    asleep = samples_of((0.0, 7, "0 0x9"), (0.05, 7, "0 0x9"), (0.1, 7, "0 0x9"))
    queueing = [replace(sample, children={"31": 1.0 + sample.time}) for sample in asleep]
    assert sleeps_outside_poll(queueing, "232 0x5") == [pytest.approx(0.0)]
    new = [replace(asleep[0], children={}), *queueing[1:]]
    assert sleeps_outside_poll(new, "232 0x5")[0] < 0.02, "all that a new child has waited was meanwhile"
    working = [replace(sample, children={"31": 1.0}) for sample in asleep]
    assert sleeps_outside_poll(working, "232 0x5") == [pytest.approx(0.1)]
    older = [replace(sample, children={"30": 1.0 + sample.time, "31": 1.0}) for sample in asleep]
    assert sleeps_outside_poll(older, "232 0x5") == [pytest.approx(0.1)], "only the newest child holds the pipe"
    race = race_of((0, 1), blocked=[block(0.1)])
    assert not find_stalls(race, queueing, "232 0x5") and find_stalls(race, working, "232 0x5")


def test_waiting_needs_lateness_and_company():
    """A short request that ends with a long one is late; one that's late by itself, or with a busy loop, is not that."""
    canaries = [(0.02 * i, 0.02 * i + 0.003) for i in range(60)]
    race = race_of((0.0, 1.2), (0.2, 1.19), canaries=canaries)
    long, short = race.requests
    assert overlap.waited_for(race, [], short, 0.1, long, 0.2, 8)
    assert not overlap.waited_for(race, [], short, 0.9, long, 0.2, 8), "it wasn't late"
    assert not overlap.waited_for(race_of((0.0, 1.2), (0.2, 1.19)), [], short, 0.1, long, 0.2, 8), "the loop was busy"
    race.requests[1].end = 0.6
    assert not overlap.waited_for(race, [], short, 0.1, long, 0.2, 8), "it didn't wait for the long one"


@pytest.mark.parametrize(("canary_cpu", "allowance"), [(0.0003, 0.003), (0.001, 0.006), (0.1, 0.010)])
def test_allowance_grows_with_canary_cost(canary_cpu, allowance):
    """Where a canary costs more CPU time than on an idle machine, so does every request; but the allowance has an end."""
    canaries = [(0.1 * i, 0.1 * i + 0.05) for i in range(20)]
    race = race_of((0, 2), canaries=canaries)
    sampled = [
        ThreadSample(0.1 * i + offset, canary_cpu * (i + done), 0.0, 7, "232 0x5", {}, {}, 0.0)
        for i in range(20)
        for offset, done in ((0.0, 0), (0.05, 1))
    ]
    assert per_request_allowance_s(race, sampled) == pytest.approx(allowance)


def test_idle_loop_excuses_late_canary():
    """A late canary while the loop is at rest is no block."""
    late = race_of((0, 1), canaries=[(0.1, 0.9)])
    (kept,) = find_stalls(late, samples_of((0.0, 7, "232 0x5"), (0.5, 8, "232 0x5"), (1.0, 9, "232 0x5")), "232 0x5")
    (busy,) = find_stalls(late, samples_of((0.0, 7, "232 0x5"), (0.1, 8, "running"), (1.0, 9, "running")), "232 0x5")
    assert kept.seen == busy.seen == "canary" and kept.free and not busy.free


def block(seconds, waited=0.0):
    return Blocked(0.0, seconds, waited, "app.py", 3, "time.sleep(1)", "f")


def test_stalls_exclude_cpu_wait():
    """The time that the loop waited for a CPU isn't part of a stall."""
    assert find_stalls(race_of((0, 1), blocked=[block(0.5)]), [], None)[0].seen == "turn"
    assert not find_stalls(race_of((0, 1), blocked=[block(0.5, waited=0.49)]), [], None)
    late = race_of((0, 1), canaries=[(0.1, 0.4)])
    assert find_stalls(late, [], None)[0].seen == "canary"
    starved = samples_of((0.05, 1, "poll", 0.0), (0.45, 2, "poll", 0.29))
    assert not find_stalls(late, starved, None)


def test_short_slices_add_up():
    rows = [(0.01 * i + 0.001 * j, i, "230 0x1") for i in range(40) for j in (0, 8)]
    found = find_stalls(race_of((0, 0.4)), samples_of(*rows), "232 0x5")
    assert found and found[0].seconds == pytest.approx(0.32, abs=0.01)
    assert not find_stalls(race_of((0, 4.0)), samples_of(*rows), "232 0x5")


def test_no_samples_excuse_nothing():
    """Without samples nothing is excused and nothing raises."""
    assert excuses.cpu_wait_s([], 0, 1) == 0.0
    assert samples.poller([]) is None
    assert samples.poller(samples_of((0, 1, "running"), (1, 2, "232 0x5"))) == "232 0x5"


def test_poller_waits_the_longest(monkeypatch):
    """The poller is the system call for waiting for work in which the loop spends the most time."""
    monkeypatch.setattr(samples, "POLL_SYSCALLS", {"232", "281"})
    often, long = [(0.001 * i, i, "232 0x5") for i in range(9)], [(0.01, 10, "281 0x6"), (0.3, 11, "running")]
    assert samples.poller(samples_of(*often, *long)) == "281 0x6"
    # a lock, or a nap, is no place to wait for work, however long it lasts
    assert samples.poller(samples_of((0.0, 1, "202 0x1"), (1.0, 2, "232 0x5"), (1.1, 3, "230 0x1"))) == "232 0x5"
    assert samples.poller(samples_of((0.0, 1, "202 0x1"), (1.0, 2, "230 0x1"))) is None
    monkeypatch.setattr(samples, "POLL_SYSCALLS", None)  # a machine whose numbers are not known
    assert samples.poller(samples_of((0.0, 1, "7 0x5"), (1.0, 2, "running"))) == "7 0x5"


POLL, FUTEX = "232 0x5", "202 0x1"


def test_starved_threads_count_once():
    """Several threads that wait for a CPU excuse no more than one does."""

    def sample(time, *waited):
        return ThreadSample(time, 0.0, 0.0, 1, FUTEX, {tid: (0.0, w) for tid, w in enumerate(waited)}, {}, 0.0)

    burning = [sample(0.0, 0.0, 0.0, 0.0), sample(0.1, 0.03, 0.05, 0.04)]
    assert sleeps_outside_poll(burning, POLL) == [pytest.approx(0.05)]


def test_gil_starvation_is_measured():
    """A thread that keeps the GIL starves a loop that asks for it; sleeping loops aren't starved."""
    asks = with_other_thread(*((0.005 * i, 10 + i, FUTEX, 0.005 * i) for i in range(40)))
    assert gil.gil_starvation_s(asks, POLL) == pytest.approx(0.195)
    waits_for_work = with_other_thread(*((0.005 * i, 10, POLL, 0.005 * i) for i in range(40)))
    assert gil.gil_starvation_s(waits_for_work, POLL) == 0.0
    # .result() sleeps in one piece, beside a thread that computes: that is a call that blocks
    sleeps = with_other_thread(*((0.005 * i, 10, FUTEX, 0.005 * i) for i in range(40)))
    assert gil.gil_starvation_s(sleeps, POLL) == 0.0
    # nobody computes: a loop that sleeps in short pieces
    naps = with_other_thread(*((0.005 * i, 10 + i, FUTEX, 0.0) for i in range(40)))
    assert gil.gil_starvation_s(naps, POLL) == 0.0
    # now and then is what every app with threads has
    rarely = with_other_thread(*((0.005 * i, 10 + i, FUTEX if i % 100 < 4 else POLL, 0.005 * i) for i in range(200)))
    assert gil.gil_starvation_s(rarely, POLL) == 0.0


def test_own_computing_is_not_excused():
    """What the loop computes itself isn't excused by another thread that waits for a CPU."""

    def sample(time, cpu, waited):
        return ThreadSample(time, cpu, 0.0, int(1000 * time), "running", {8: (0.0, waited)}, {}, 0.0)

    def seen(cpu):
        found = [sample(0.0, 0.0, 0.0), sample(0.02, 0.0, 0.0), sample(0.08, cpu, 0.0), sample(0.3, cpu, 0.3)]
        return find_stalls(race_of((0, 1), blocked=[block(0.1)]), found, POLL)

    assert seen(0.05)[0].seconds == pytest.approx(0.05)
    assert not seen(0.01)


def test_starved_child_is_no_stall(monkeypatch):
    """A child that gets no CPU while it starts is not the app's fault."""
    monkeypatch.setattr(excuses, "SPAWN_SYSCALLS", {"58"})  # as on x86-64, wherever the test runs
    spawn = "58 0x0"
    held_up = samples_of((0.0, 1, "running"), (0.1, 2, spawn), (0.3, 2, spawn), (0.5, 2, spawn), (0.51, 3, POLL))
    other = [ThreadSample(*[getattr(sample, name) for name in ("time", "cpu", "waited", "slices")], call, {}, {}, 0.0)
             for sample, call in zip(held_up, ("running", FUTEX, FUTEX, FUTEX, POLL), strict=True)]  # fmt: skip
    block = Blocked(0.1, 0.5, 0.0, "app.py", 9, "create_subprocess_exec(...)", "quote")
    race = race_of((0.0, 0.6), canaries=[(0.1, 0.51)], blocked=[block])
    assert find_stalls(race, held_up, POLL) == []
    assert {stall.seen for stall in find_stalls(race, other, POLL)} == {"turn", "asleep", "canary"}


def test_unsampled_child_start_is_excused(monkeypatch):
    """The load generator itself waited for a CPU: it found the loop in vfork once, or only at another time."""
    monkeypatch.setattr(excuses, "SPAWN_SYSCALLS", {"58"})
    block = Blocked(0.1, 0.3, 0.0, "app.py", 9, "create_subprocess_exec(...)", "quote")
    race = race_of((0.0, 0.6), blocked=[block])

    def seen(*rows):
        return find_stalls(
            race,
            [ThreadSample(t, 0.0, 0.0, n, call, {}, {}, load_generator) for t, n, call, load_generator in rows],
            POLL,
        )

    spawn = "58 0x0"
    assert not seen((0.0, 1, POLL, 0.0), (0.2, 2, spawn, 0.0), (0.31, 3, POLL, 0.0)), "once"
    unlooked = ((0.09, 2, "running", 0.0), (0.31, 3, POLL, 0.21))
    assert not seen((0.0, 1, spawn, 0.0), *unlooked), "at another time"
    assert seen((0.0, 1, POLL, 0.0), *unlooked), "never: nothing speaks for a child"
    assert seen((0.0, 1, spawn, 0.0), (0.09, 2, "running", 0.0), (0.31, 3, POLL, 0.1)), "for too short a time"


@pytest.mark.linux
def test_children_have_run_queue_delays():
    """The load generator knows how long each child process waited for a CPU."""
    with cpu_load.hogs(os.cpu_count() + 1):
        found = load_generator.children_waited(os.getpid())
    hogs = [seconds for pid, seconds in found.items() if not Path(f"/proc/{pid}").exists()]
    assert len(hogs) == os.cpu_count() + 1 and all(seconds >= 0 for seconds in hogs)
    assert load_generator.children_waited(2**22 + 1) == {}


def test_page_fault_is_no_stall():
    """A thread that waits for a page of memory sleeps in no system call; the time is the machine's doing."""
    from autograder.programs.messages.races import PAGE_FAULT, SYSCALL, LoopSample

    race = race_of((0.0, 0.5), canaries=[(0.1, 0.4)])

    def sample(time, slices, state, syscall=None):
        argument = None if syscall is None else 5
        return LoopSample(time, 0.0, 0.0, slices, state, syscall, argument, {}, 0.0)

    def stalls(state, syscall=None):
        race.samples = [
            sample(0.0, 1, SYSCALL, 232),
            *(sample(0.1 + n / 100, 2, state, syscall) for n in range(31)),
            sample(0.45, 3, SYSCALL, 232),
        ]
        return find_stalls(race, samples.decode_samples(race), "232 0x5")

    assert stalls(PAGE_FAULT) == []
    assert {stall.seen for stall in stalls(SYSCALL, 7)} == {"asleep", "canary"}


def test_starved_child_of_thread_excuses():
    """A thread that starts a program keeps the GIL until the child gets a CPU; the loop thread waits for the GIL meanwhile."""
    asleep = samples_of((0.0, 7, "202 0x9"), (0.05, 8, "202 0x9"), (0.1, 9, "202 0x9"))
    race = race_of((0, 1), blocked=[block(0.1)])
    queueing = [replace(sample, children={"31": 1.0 + sample.time}) for sample in asleep]
    assert not find_stalls(race, queueing, "232 0x5")
    assert find_stalls(race, [replace(sample, children={"31": 1.0}) for sample in asleep], "232 0x5"), "it sleeps"


@pytest.mark.linux
def test_locked_loop_shows_children():
    """While the loop thread waits for a lock, the children of all threads are in the sample."""
    program = (
        "import subprocess, sys, threading\n"
        "start = lambda: subprocess.run([sys.executable, '-c', 'input()'], stdin=sys.stdin)\n"
        "thread = threading.Thread(target=start)\n"
        "thread.start()\n"
        "print('x', flush=True)\n"
        "thread.join()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        race = load_generator.Race(SimpleNamespace(race=1, requests=[]), print, procfs.OwnSchedStat())
        thread, others = load_generator.Thread(process.pid), load_generator.OtherThreads(process.pid)

        def shown():
            race._take_sample(thread, others)
            return race.samples and race.samples[-1].children

        child = until(lambda: procfs.children(process.pid))
        assert list(until(shown)) == [str(pid) for pid in child]
        process.communicate(b"\n")


def test_unseen_start_of_child_excuses():
    """While the load generator had no CPU, a thread may have started a child: only in an app that has children."""
    asleep = samples_of((0.0, 7, "202 0x9"), (0.1, 8, "202 0x9"))
    starved = [asleep[0], replace(asleep[1], load_generator=0.09)]
    race = race_of((0, 1), blocked=[block(0.1)])
    assert find_stalls(race, starved, "232 0x5"), "the app starts no processes"
    assert not find_stalls(race, [starved[0], replace(starved[1], children={"31": 0.0})], "232 0x5")


@pytest.mark.linux
def test_age_of_children_is_known():
    """A child that is younger than the sample before has waited only since then."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        until(lambda: procfs.age_s(process.pid) > 0.3)
        child = {str(process.pid): 0.5}
        assert load_generator.older_children(child, 0.1) == child
        assert load_generator.older_children(child, 100.0) == {}
        process.communicate(b"\n")
    assert load_generator.older_children(child, 0.0) == {}, "it has ended"


@pytest.mark.parametrize("seconds, kinds", [(0.002, []), (0.02, ["blocked"])])
def test_cheap_client_is_not_accused(seconds, kinds):
    """A client that shares its certificates takes a millisecond or two, and is no work to report; one that loads them is."""
    race = Race("/", "shop.py", [Request(0, "/", start=0.0, end=1.0, status=200)], end=1.0)
    race.found = {(9, "client = httpx.AsyncClient(verify=shared)"): seconds}
    assert [verdict.kind for verdict in [certificates.blocked(race, [], None)] if verdict] == kinds
