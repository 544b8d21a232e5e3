"""What a race proves.  Pure functions over a `Race`; nothing here decides by a stopwatch.

Each function rests on facts that a busy machine can delay but not turn round:

* A request that waits ``w`` seconds and was sent at ``s`` and answered at ``e`` waited somewhere in
  [s, e].  At every moment in [e - w, s + w] it was certainly waiting.  If one moment lies in that
  interval for all requests, all of them waited at once.  Load can only empty the interval.
* A thread whose number of time slices is the same in two looks has not run in between.  If it slept in
  a system call that is not its poller, the loop stood still from the first look to the second.
* Time in the queue for a CPU is counted by the kernel for each thread.  What remains of a delay
  when that is taken away was not the neighbours' doing.
"""

import platform
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass

from autograder.judge.spec.exercise import RACE_SIZE

STALL_MIN_S = 0.020  # s of attributed standstill: exercises block for more, honest apps were never seen at half of it
SHORT_SLEEPS_SHARE = 0.3  # share of a race that the loop may spend asleep elsewhere in short slices
CANARY_STALL = 0.040  # s: a canary's wait holds some work of the racer's own as well
MIN_CANARIES = 5  # canaries that a loop has answered before it counts as alive
PER_REQUEST_ALLOWANCE_S = (
    0.003  # s of honest work that each request beyond the usual few may add to one turn of the loop
)
GIL_STARVATION_MIN_S = 0.020  # CPU s that other threads may spend while the loop waits for them to let go of the GIL
GIL_STARVATION_MIN_SHARE = (
    0.05  # of all their CPU time: beside threads that let go of the GIL it was never seen at a hundredth
)
# Numbers of the system calls that start a process.  With vfork, which Python uses, the caller sleeps until the child has
# had a CPU and has become its program: asyncio's own way to start one does so, and no honest app can help it.
SPAWN_SYSCALLS = {"x86_64": {"56", "57", "58", "435"}, "aarch64": {"220", "435"}}.get(platform.machine(), set())
# ... and of those in which asyncio's selector, or libuv, waits for work: epoll_wait and its kin.
POLL_SYSCALLS = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}.get(platform.machine())
# ... and of those that wait for a moment, or for somebody outside, whoever else of the process has a CPU meanwhile: nanosleep,
# clock_nanosleep, poll, select, ppoll, pselect6, recvfrom, recvmsg, wait4, waitid.
EXTERNAL_WAIT_SYSCALLS = {
    "x86_64": {"35", "230", "7", "23", "271", "270", "45", "47", "61", "247"},
    "aarch64": {"101", "115", "73", "72", "207", "212", "260", "95"},
}.get(platform.machine(), set())
LATE_MIN_S = 2.0  # s, attributed, between the moment at which an answer was due and the answer
LATE_MIN_CANARIES = 20  # canaries answered in between
MIN_GAP_SHARE = 0.8  # share of a request's own wait that lies, attributed, between two answers that were served in turn


@dataclass(frozen=True)
class Stall:
    """A standstill of the loop: seconds attributed to the app, and how it was seen.

    ``held``: during most of it another thread of the app computed, and the loop waited for that thread.
    """

    seconds: float
    seen: str  # "asleep", "canary" or "turn"
    block: object = None  # the `Blocked` that names the line, where there is one
    held_gil: bool = False
    free: bool = False  # during most of it the loop waited for work: only the canary was kept waiting


@dataclass(frozen=True)
class ThreadSample:
    """One look at the loop thread, times in seconds since the race began; ``workers`` and ``watchers`` map ids of other
    threads, the app's and the host's, to their (CPU seconds, run-queue seconds)."""

    time: float
    cpu: float
    waited: float
    slices: int
    call: str
    workers: dict
    watchers: dict
    racer: float
    children: dict | None = (
        None  # run-queue seconds of each child process, if the loop thread sleeps in `read`, or just did
    )


def decode_samples(race):
    """The looks of a race; what the racer leaves out has not changed."""
    found, workers, watchers = [], {}, {}
    for time, cpu, waited, slices, call, changed, racer, *children in race.samples:
        fresh = {int(tid): tuple(spent) for tid, spent in changed.items()}
        if fresh:
            ours = fresh.keys() & set(race.watchers)
            watchers = watchers | {tid: fresh[tid] for tid in ours}
            workers = workers | {tid: fresh[tid] for tid in fresh.keys() - ours}
        found.append(ThreadSample(time - race.began, cpu, waited, slices, call, workers, watchers, racer, *children))
    return found


def cpu_wait_s(looks, start, end, watching=True):
    """Seconds between two moments that somebody stood in the queue for a CPU: loop thread, others, racer.

    Taken from the looks around the interval, so it is never too small: an excuse is given in full.  The host's own
    sampler wakes two hundred times a second and stands in that queue all the time on a busy machine; it can hold up
    the loop for a moment (it may own the GIL), but not a whole request, and is left out without ``watching``.
    """
    first, last = _around(looks, start, end)
    if first is None:
        return 0.0
    queue = (last.waited - first.waited) + (last.racer - first.racer) + _others(first, last, watching)
    return queue + vfork_wait_s(looks, start, end) + exec_pipe_wait_s(_near(looks, start, end))


def vfork_wait_s(looks, start, end):
    """Seconds between two moments that the loop thread may have slept until a child that it had started got a CPU.

    From the look before it was found so to the look after: so it is never too small.
    """
    near = _near(looks, start, end)
    return sum(b.time - a.time for a, b in zip(near, near[1:], strict=False) if _spawns(a) or _spawns(b))


def exec_pipe_wait_s(looks):
    """Seconds in which the children of a loop thread that slept in ``read`` stood in the queue for a CPU, as the looks tell.

    The child that was started with vfork lets its parent go before it has closed its end of the pipe over which it tells that
    it could not become its program: `subprocess` reads there, and waits until the child has had a CPU once more.
    """
    pairs = [
        (a, b) for a, b in zip(looks, looks[1:], strict=False) if a.children is not None and b.children is not None
    ]
    return sum(
        max((waited - a.children.get(child, 0.0) for child, waited in b.children.items()), default=0.0)
        for a, b in pairs
    )


def unobserved_spawn_wait_s(looks, start, end):
    """Seconds between two moments in which a loop that starts processes may have slept like that, and nobody could look.

    The racer then stood in the queue for a CPU itself.  Where the loop was never found so, there is nothing to excuse.
    """
    near = _near(looks, start, end)
    if not any(map(_spawns, looks)):
        return 0.0
    return sum(b.racer - a.racer for a, b in zip(near, near[1:], strict=False) if not (_spawns(a) or _spawns(b)))


def _spawns(look):
    return look.call.split(" ")[0] in SPAWN_SYSCALLS


def _around(looks, start, end):
    """The last look before an interval and the first after it; (None, None) where there are no looks."""
    near = _near(looks, start, end)
    return (near[0], near[-1]) if near else (None, None)


def _near(looks, start, end):
    """The looks inside an interval, with the last before it and the first after it."""
    first = max(bisect_right(looks, start, key=lambda look: look.time) - 1, 0)
    last = bisect_left(looks, end, key=lambda look: look.time)
    return looks[first : max(first, last) + 1]


def _computed(looks, start, end):
    """CPU seconds that the loop thread has certainly spent between two moments: from the looks inside the interval."""
    first = bisect_left(looks, start, key=lambda look: look.time)
    last = bisect_right(looks, end, key=lambda look: look.time) - 1
    return looks[last].cpu - looks[first].cpu if first < last else 0.0


def _others(first, last, watching=True):
    """The longest that one other thread stood in the queue: many that compute stand there all the time, and together
    would excuse everything."""
    worker = max((_spent(first.workers, tid, last.workers)[1] for tid in last.workers), default=0.0)
    watcher = sum(_spent(first.watchers, tid, last.watchers)[1] for tid in last.watchers)
    return worker + (watcher if watching else 0.0)


def _spent(before, tid, after):
    """(CPU, run-queue) seconds that a thread has spent between two looks."""
    cpu, waited = before.get(tid, (0.0, 0.0))
    return after[tid][0] - cpu, after[tid][1] - waited


def other_threads_cpu_s(first, last):
    """CPU seconds that the app's other threads have spent between two looks."""
    if first.workers is last.workers:
        return 0.0
    return sum(_spent(first.workers, tid, last.workers)[0] for tid in last.workers)


def cpu_of_other_threads_s(looks, start, end):
    """CPU seconds of the app's other threads between two moments, if the loop computed for less than half of the time."""
    first, last = _around(looks, start, end)
    return other_threads_cpu_s(first, last) if first and _computed(looks, start, end) < (end - start) / 2 else 0.0


def certainly_overlapped(race, waits):
    """True if there was a moment at which every request of the race was certainly waiting."""
    return _together(list(zip(race.requests, waits, strict=True)))


def _together(pairs):
    return max(r.end - w for r, w in pairs) < min(r.start + w for r, w in pairs)


def proved_batch_size(race, waits, looks):
    """How many requests were served together, if they were served in turns; None if that is not proved.

    Proved means: the first group certainly waited together, and after it was answered the next request
    took its full wait, although all were sent at once.
    """
    order = sorted(zip(race.requests, waits, strict=True), key=lambda pair: pair[0].end)
    for served in range(1, len(order)):
        before, (after, wait) = order[served - 1][0], order[served]
        gap = after.end - before.end - _excuse(race, looks, before.end, after.end)
        if gap >= MIN_GAP_SHARE * wait:
            return served if _together(order[:served]) else None
    return None


def _excuse(race, looks, start, end):
    """Seconds by which a busy machine may have put off an answer that was due at ``start`` until ``end``.

    Canaries are the ticks of a clock that slows down with the app: a loop that has answered several of them since
    has also looked at everything else that was due.  Then only a worker thread can have been kept waiting.
    """
    ticks = sum(c.answered and c.start >= start and c.end <= end for c in race.canaries)
    if ticks < MIN_CANARIES:
        return cpu_wait_s(looks, start, end, watching=False)
    first, last = _around(looks, start, end)
    return _others(first, last, watching=False) if first else 0.0


def late(race, looks, due):
    """(request, seconds) of the first answer, if it came long after the moment at which it was ``due``; else None.

    Whoever is answered first has waited for no other request.  The loop must have answered many canaries since.
    """
    request, moment = min(zip(race.requests, due, strict=True), key=lambda pair: pair[0].end)
    ticks = sum(c.answered and c.start >= moment and c.end <= request.end for c in race.canaries)
    seconds = request.end - moment - _excuse(race, looks, moment, request.end)
    return (request, seconds) if seconds >= LATE_MIN_S and ticks >= LATE_MIN_CANARIES else None


def overtaken(race):
    """How many canaries were sent after the last request and answered before the first answer."""
    last_sent = max(r.start for r in race.requests)
    first_end = min(r.end for r in race.requests)
    return sum(c.answered and c.start >= last_sent and c.end <= first_end for c in race.canaries)


def poller(looks):
    """The system call in which the loop waits for work: the one in which it was found for most of the time; None if in none."""
    calls = Counter()
    for look, after in zip(looks, [*looks[1:], *looks[-1:]], strict=True):
        if look.call != "running" and (POLL_SYSCALLS is None or look.call.split(" ")[0] in POLL_SYSCALLS):
            calls[look.call] += after.time - look.time
    return calls.most_common(1)[0][0] if calls else None


def sleeps_outside_poll(looks, poll_call):
    """Attributed seconds of each stretch in which the loop thread slept, without running, outside ``resting``."""
    found = []
    index = 0
    while index < len(looks):
        last = index
        if looks[index].call not in ("running", poll_call) and not _spawns(looks[index]):
            while (
                last + 1 < len(looks)
                and looks[last + 1].slices == looks[index].slices
                and looks[last + 1].call == looks[index].call
            ):
                last += 1
            if last > index:
                own = looks[index].call.split(" ")[0] in EXTERNAL_WAIT_SYSCALLS
                # how long somebody stood in the queue is told when that is over: one look more
                after = min(last + 1, len(looks) - 1)
                excuse = (
                    0.0 if own else _others(looks[index], looks[after]) + exec_pipe_wait_s(looks[index : after + 1])
                )
                found.append(looks[last].time - looks[index].time - excuse)
        index = last + 1
    return found


def gil_wait_s(looks, poll_call):
    """(CPU seconds that other threads of the app spent while the loop wanted to run and could not, all that they spent).

    The loop thread then sleeps outside ``resting``, and wakes every few milliseconds to ask for the GIL: so its number
    of time slices grows.  A call that waits for a thread sleeps in one piece, and is a stall of its own.
    """
    spent = lost = 0.0
    index = 0
    while index < len(looks):
        first = last = looks[index]
        while index + 1 < len(looks) and (looks[index + 1].slices, looks[index + 1].call) == (first.slices, first.call):
            index += 1
            last = looks[index]
        index += 1
        wanted = first.call not in ("running", poll_call)
        seconds = other_threads_cpu_s(first, last)
        spent += seconds
        if wanted and last.time - first.time < STALL_MIN_S:
            lost += min(seconds, last.time - first.time)
        if index < len(looks):
            after = looks[index]
            seconds = other_threads_cpu_s(last, after)
            spent += seconds
            # from asking for the GIL to standing in the queue for a CPU, or back: it asks five milliseconds at a time
            asks = wanted or after.call not in ("running", poll_call)
            if asks and poll_call not in (first.call, after.call):
                lost += min(seconds, after.time - last.time)
    return lost, spent


def gil_starvation_s(looks, poll_call):
    """CPU seconds that other threads took from the loop by holding the GIL; 0.0 where it is no more than usual."""
    if poll_call is None:
        return 0.0
    lost, spent = gil_wait_s(looks, poll_call)
    return lost if lost >= GIL_STARVATION_MIN_S and lost >= GIL_STARVATION_MIN_SHARE * spent else 0.0


def _held_between(looks, poll_call, start, end, seconds):
    """True if most of a stall of so many attributed seconds is another thread's computing."""
    if poll_call is None or not looks:
        return False
    return gil_wait_s(_near(looks, start, end), poll_call)[0] >= seconds / 2


def _at_rest(looks, poll_call, start, end):
    """Seconds between two moments in which the loop was found waiting for work."""
    if poll_call is None:
        return 0.0
    near = _near(looks, start, end)
    return sum(
        min(after.time, end) - max(look.time, start)
        for look, after in zip(near, near[1:], strict=False)
        if look.call == poll_call and after.time > start and look.time < end
    )


def stalls(race, looks, poll_call):
    """Every standstill of the loop that is the app's own, the longest first."""
    found = []
    crowd = PER_REQUEST_ALLOWANCE_S * max(len(race.requests) - RACE_SIZE, 0)
    for block in race.blocked:
        first, last = _around(looks, block.start, block.end)
        seconds = block.seconds - (_others(first, last) if first else 0.0)
        seconds -= vfork_wait_s(looks, block.start, block.end) + unobserved_spawn_wait_s(looks, block.start, block.end)
        seconds -= exec_pipe_wait_s(_near(looks, block.start, block.end))
        # what the loop's thread has itself computed in one turn needs no excuse
        seconds = max(seconds, _computed(looks, block.start, block.end))
        if seconds >= STALL_MIN_S + crowd:
            found.append(
                Stall(seconds, "turn", block, _held_between(looks, poll_call, block.start, block.end, seconds))
            )
    asleep = sleeps_outside_poll(looks, poll_call) if poll_call else []
    found += [Stall(seconds, "asleep") for seconds in asleep if seconds >= STALL_MIN_S + crowd]
    # many short ones add up: a loop that sleeps in slices answers nobody in time either
    if sum(asleep) >= max(SHORT_SLEEPS_SHARE * race.seconds, 5 * STALL_MIN_S):
        found.append(Stall(sum(asleep), "asleep", held_gil=bool(gil_starvation_s(looks, poll_call))))
    for canary in race.canaries:
        if canary.end is None:
            continue
        seconds = canary.end - canary.start - cpu_wait_s(looks, canary.start, canary.end)
        if seconds >= CANARY_STALL + crowd:
            by_thread = _held_between(looks, poll_call, canary.start, canary.end, seconds)
            free = _at_rest(looks, poll_call, canary.start, canary.end) >= (canary.end - canary.start) / 2
            found.append(Stall(seconds, "canary", None, by_thread, free))
    return sorted(found, key=lambda stall: -stall.seconds)
