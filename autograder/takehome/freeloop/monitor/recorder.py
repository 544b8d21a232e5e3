"""Record the loop's iterations cheaply enough for production, and split long ones by what they were spent on.

The loop's thread does as little as possible: it only counts an iteration of less than 1 ms. It puts a longer one into a
queue, from which a thread of the monitor takes it some milliseconds later and splits it into:

* *blocked*: the app's own code;
* *cpu_wait*: the thread was runnable but had no CPU (run-queue delay, as Linux counts it);
* *gc*: garbage collections;
* *suspended*: the whole process was suspended (a stopped container, a paused virtual machine).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloop.core.loop_watchdog import LoopIterations, Place, ThreadCpuSampler, most
from freeloop.monitor.histogram import Histogram

SHORT_S = 0.001  # s: shorter iterations are only counted
READ_INTERVAL_S = 0.001  # s between two readings of the kernel's counters at the start of iterations
TICK_S = 0.025  # s between two samples, and between two checks of the monitor's thread
SUSPENDED_MIN_S = 0.1  # s by which the monitor's thread wakes up late in a suspension, with a CPU and the GIL to be had
GIL_WAKE_S = 0.005  # s between two wake-ups of a thread that waits for the GIL
STACK_DEPTH = 30  # innermost frames of a stack that are recorded
STUCK_MIN_S = 1.0  # s after which an iteration that hasn't ended is reported, if that's ten times the budget
KINDS = ("blocked", "cpu_wait", "gc", "suspended")


@dataclass(frozen=True)
class Lag:
    """One iteration of at least 1 ms: its seconds by kind (`KINDS`), the places where they were spent, and its request.

    ``running`` is True if it hasn't ended yet.
    """

    start: float
    end: float
    seconds: Mapping[str, float]
    places: tuple[tuple[Place, float], ...] = ()
    stack: tuple[tuple[str, int, str], ...] = ()
    request: Any = None
    running: bool = False


@dataclass
class _Raw:
    start: float
    end: float
    waited: float
    collected: float
    samples: Mapping[Place, float]
    task: int | None
    stack: tuple[tuple[str, int, str], ...]
    requests: dict[int, Any] = field(default_factory=dict)


class _NoThreads(ThreadCpuSampler):
    """Doesn't sample other threads, because that's too expensive with a pool of 40."""

    def sample(self) -> Mapping[Place, float]:
        return {}


class Recorder(LoopIterations):
    """Records the iterations of a long-running loop. ``on_lag`` is called with each `Lag`, in the monitor's thread."""

    sample_interval_s = TICK_S

    def __init__(self, app_folder: str, budget_s: float, on_lag: Callable[[Lag], None]) -> None:
        super().__init__(lambda **report: None, app_folder)
        self.phase = "serving"
        self.budget_s = budget_s
        self.histograms = {kind: Histogram() for kind in KINDS}
        self.requests: dict[int, Any] = {}  # ASGI scopes of requests in progress, by the id of their task
        self.ended: dict[int, Any] = {}  # those whose request has ended in this iteration
        self._on_lag = on_lag
        self._short = 0
        self._read_at = 0.0
        self._long: deque[_Raw] = deque(maxlen=1000)
        self._stack: tuple[float, tuple[tuple[str, int, str], ...]] = 0.0, ()
        self._stuck = 0.0  # start of the iteration that was reported last while it ran

    def start(self) -> threading.Thread:
        """Start the sampler and the monitor's thread. Call it in the loop's thread."""
        sampler = super().start()
        threading.Thread(target=self._split, name="freeloop-monitor", daemon=True).start()
        return sampler

    def begin(self) -> None:
        """Record that an iteration begins."""
        now = time.perf_counter()
        if now - self._read_at > READ_INTERVAL_S:
            self._spent = self._times.read()
            self._read_at = now
        self.collection_s = 0.0
        self.began = now
        self.idle = False

    def end(self) -> None:
        """Record that an iteration has ended, and queue it if it was long."""
        self.idle = True
        now = time.perf_counter()
        if now - self.began < SHORT_S:
            self._short += 1
            self.samples = defaultdict(float)
            if self.ended:
                self.ended = {}
            return
        waited = self.waited()
        samples, self.samples = self.samples.copy(), defaultdict(float)
        tasks, self.tasks = self.tasks, defaultdict(float)
        task = most(tasks)[0][0] if tasks else None
        stack = self._stack[1] if self._stack[0] == self.began else ()
        known = {**self.requests, **self.ended} if task is not None else {}
        self._long.append(_Raw(self.began, now, waited, self.collection_s, samples, task, stack, known))
        self.ended = {}
        self._read_at = 0.0

    def thread_cpu_sampler(self) -> ThreadCpuSampler:
        """Return a sampler that samples no threads."""
        return _NoThreads(self)

    def _take(self, samples: defaultdict[Place, float], seen: Any, now: float) -> Any:
        """Take a sample, and record the stack when an iteration first exceeds the budget."""
        if now - seen.began >= self.budget_s and self._stack[0] != seen.began:
            # read the stack before anything that releases the GIL, because then the loop's thread would go on
            frame = sys._current_frames().get(self.loop_thread)
            stack: list[tuple[str, int, str]] = []
            while frame is not None and len(stack) < STACK_DEPTH:
                stack.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
                frame = frame.f_back
            self._stack = seen.began, tuple(stack)
        return super()._take(samples, seen, now)

    def _split(self) -> None:
        clock = SuspensionClock()
        while not self._stopped.is_set():
            suspended = clock.tick()
            short, self._short = self._short, 0
            if short:
                self.histograms["blocked"].add(SHORT_S / 2, short)
            while self._long:
                lag = split(self._long.popleft(), suspended)
                for kind, seconds in lag.seconds.items():
                    if kind == "blocked" or seconds >= SHORT_S:
                        self.histograms[kind].add(seconds)
                self._on_lag(lag)
            if stuck := self._running():
                self._on_lag(split(stuck, suspended, running=True))

    def _running(self) -> _Raw | None:
        """Return the iteration that is running if it may never end: once for each iteration, and None otherwise."""
        began, now = self.began, time.perf_counter()
        if self.idle or began == self._stuck or now - began < max(STUCK_MIN_S, 10 * self.budget_s):
            return None
        waited, task, samples = self.waited(), self._task(), self.samples.copy()
        stack = self._stack[1] if self._stack[0] == began else ()
        if self.idle or self.began != began:
            return None  # it has just ended
        self._stuck = began
        return _Raw(began, now, waited, self.collection_s, samples, task, stack, dict(self.requests))


class SuspensionClock:
    """Detects that the whole process was suspended: this thread woke up late, but waited neither for a CPU nor for the GIL.

    A thread that waits for the GIL wakes up every 5 ms, and Linux counts how often a thread gets a CPU. The count of a
    suspended thread doesn't increase.
    """

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:
            self._file = None
        self._waited, self._slices = self._read()

    def tick(self, interval_s: float = TICK_S) -> tuple[float, float]:
        """Sleep, and return the start and end of a suspension meanwhile, or (0.0, 0.0) if there was none."""
        asleep = time.perf_counter()
        time.sleep(interval_s)
        now = time.perf_counter()
        waited, slices = self._read()
        late = now - asleep - interval_s - (waited - self._waited)
        woke = slices - self._slices
        self._waited, self._slices = waited, slices
        if self._file is None or late < SUSPENDED_MIN_S or woke > late / GIL_WAKE_S / 4:
            return 0.0, 0.0
        return asleep, now

    def _read(self) -> tuple[float, int]:
        if self._file is None:
            return 0.0, 0
        _, waited, slices = os.pread(self._file, 100, 0).split()
        return int(waited) / 1e9, int(slices)


def split(raw: _Raw, suspended: tuple[float, float], running: bool = False) -> Lag:
    """Split an iteration by kind: first suspensions, then waits for a CPU, then collections; the rest is the app's.

    A collection that the app itself started with ``gc.collect()`` is part of the rest.
    """
    left = raw.end - raw.start
    stood = min(max(min(raw.end, suspended[1]) - max(raw.start, suspended[0]), 0.0), left)
    left -= stood
    waited = min(raw.waited, left)
    left -= waited
    explicit = sum(spent for place, spent in raw.samples.items() if place.collection == "explicit")
    collected = min(max(raw.collected - explicit, 0.0), left)
    left -= collected
    seconds = {"blocked": left, "cpu_wait": waited, "gc": collected, "suspended": stood}
    own = [(place, spent) for place, spent in most(raw.samples)[:5] if place.collection != "automatic"]
    request = raw.requests.get(raw.task) if raw.task is not None else None
    if request is None and len(raw.requests) == 1:
        request = next(iter(raw.requests.values()))
    return Lag(raw.start, raw.end, seconds, tuple(own), raw.stack, request, running)
