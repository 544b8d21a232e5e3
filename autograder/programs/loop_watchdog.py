"""Watches the event loop from inside the served process: how long each turn took, and why.

A *turn* is what the loop does between two visits to its selector: it takes what is ready, runs the
callbacks, and comes back.  While a turn lasts, nothing else is answered.  So the length of a turn is
the loop lag that it causes, and the stack of the loop thread during a long turn says who caused it.

This file and its neighbours run in the process that serves a learner's app.  They use the standard
library and uvicorn only, and know nothing of the rest of the course.
"""

import asyncio
import itertools
import linecache
import os
import selectors
import sys
import sysconfig
import threading
import time
from collections import Counter

SAMPLE_EVERY = 0.005  # s: CPython hands the GIL on after 5 ms, a finer grid would see nothing more
REPORT_FROM = 0.010  # s: shorter turns are what every healthy app has
BUSY_FROM = 0.003  # s of CPU between two samples: somebody computes
TELL_BUSY = 0.02  # s of CPU in one place that are told at once
GIVEN = "workshop.py"  # the course's own module that lies beside an app: what matters is the line that calls it
TELL_EVERY = 0.05  # s: how often a turn that goes on is told about, for the live picture

_LIBRARY = tuple(
    os.path.normcase(path) + os.sep
    for path in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
) + (os.path.normcase(os.path.dirname(os.path.abspath(__file__))) + os.sep, "<frozen ")


class RunQueue:
    """Time in seconds that the calling thread has spent waiting for a CPU (0.0 where it is not told).

    Linux tells it in the second field of ``/proc/<pid>/task/<tid>/schedstat``, in nanoseconds.
    """

    def __init__(self):
        try:
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:
            self._file = None

    def seconds(self):
        if self._file is None:
            return 0.0
        return int(os.pread(self._file, 80, 0).split()[1]) / 1e9


class LoopIterations:
    """Bookkeeping of the loop's turns, shared by the loop thread (writer) and the sampler (reader)."""

    def __init__(self, tell, app_folder):
        self.tell = tell
        self.app_folder = os.path.normcase(os.path.realpath(app_folder)) + os.sep
        self.loop_thread = threading.get_ident()
        self.samples = Counter()
        self.began = time.perf_counter()
        self.idle = True
        self._run_queue = None
        self._waited = 0.0

    def start(self):
        """Call in the loop thread; returns the sampler.  What runs before the first visit to the selector is a turn, too."""
        self._run_queue = RunQueue()
        self.begin()
        sampler = threading.Thread(target=self._sample, name="course-watch", daemon=True)
        sampler.start()
        return sampler

    def begin(self):
        self._waited = self._run_queue.seconds()
        self.began = time.perf_counter()
        self.idle = False

    def end(self):
        self.idle = True
        ended = time.perf_counter()
        wall = ended - self.began
        if wall >= REPORT_FROM:
            waited = self._run_queue.seconds() - self._waited
            samples, self.samples = self.samples, Counter()
            self.tell(event="turn", start=self.began, end=ended, waited=waited, where=places(samples))
        elif self.samples:
            self.samples = Counter()

    def _sample(self):
        told = 0.0
        busy = ThreadCpuSampler(self)
        while True:
            time.sleep(SAMPLE_EVERY)
            busy.look()
            began = self.began
            now = time.perf_counter()
            if self.idle or now - began < SAMPLE_EVERY:
                continue
            frame = sys._current_frames().get(self.loop_thread)
            if frame is None or self.idle or self.began != began:
                continue
            self.samples[self.place(frame)] += 1
            del frame
            if now - began >= TELL_EVERY and now - told >= TELL_EVERY:
                told = now
                self.tell(event="late", start=began, end=now, where=places(self.samples))

    def place(self, frame):
        """(file, line, last line, code, function, callee) of the innermost frame in the learner's folder.

        Where none of theirs is on the stack the innermost frame outside asyncio and uvicorn stands
        for it.  ``callee`` names what their line had called when it is a Python function.
        """
        callee = ""
        instead = frame
        given = None
        while frame is not None:
            name = os.path.normcase(frame.f_code.co_filename)
            if name.startswith(self.app_folder) and not name.startswith(_LIBRARY):
                if os.path.basename(name) != GIVEN:
                    return position(frame) + (callee,)
                given = frame  # the outermost of its frames is the function that was called
            callee = frame.f_code.co_qualname
            if callee == "Thread.start":
                instead = frame  # it waits until the thread runs: that says more than the lock in which it does so
            frame = frame.f_back
        return position(given or instead) + ("",)


class ThreadCpuSampler:
    """Finds out where the other threads compute: CPU seconds by place, told as they add up.

    A thread that computes in one call that holds the GIL stops this one as well; it is found right after that call.
    """

    def __init__(self, turns):
        self._turns = turns
        self._spent = time.process_time()
        self._last = {}
        self._seconds = Counter()

    def look(self):
        spent = time.process_time()
        if spent - self._spent < BUSY_FROM:
            return
        self._spent = spent
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread.name.startswith("course-") or thread.ident == self._turns.loop_thread:
                continue
            seconds = self._cpu(thread.native_id)
            seconds, self._last[thread.ident] = seconds - self._last.get(thread.ident, 0.0), seconds
            frame = frames.get(thread.ident)
            if seconds >= BUSY_FROM and frame is not None:
                self._add(self._turns.place(frame), seconds)
        del frames

    def _add(self, place, seconds):
        if not os.path.normcase(place[0]).startswith(self._turns.app_folder):
            return
        self._seconds[place] += seconds
        if self._seconds[place] >= TELL_BUSY:
            self._turns.tell(event="busy", seconds=self._seconds.pop(place), where=places(Counter([place])))

    def _cpu(self, tid):
        try:
            with open(f"/proc/self/task/{tid}/schedstat", "rb") as file:
                return int(file.read().split()[0]) / 1e9
        except (OSError, IndexError):
            return 0.0


def position(frame):
    """(file, line, last line, code, function) of what a frame is executing right now."""
    code = frame.f_code
    line = last = frame.f_lineno or 0
    start = stop = None
    found = next(itertools.islice(code.co_positions(), max(frame.f_lasti, 0) // 2, None), None)
    if found and found[0]:
        line, last, start, stop = found
    first = linecache.getline(code.co_filename, line).rstrip("\n")
    if start is not None and last == line:
        # columns count UTF-8 bytes
        text = first.encode()[start:stop].decode(errors="replace")
    else:
        text = first.strip()
    return code.co_filename, line, last or line, text.strip()[:200], code.co_qualname


def places(samples):
    """The sampled places, most seen first, as dictionaries that JSON can carry."""
    names = ("file", "line", "last", "code", "function", "callee")
    # a copy, made in one step: another thread may be adding to it at this moment
    most = Counter(dict(samples)).most_common(5)
    return [dict(zip(names, place, strict=True), count=count) for place, count in most]


def watched_loop(turns):
    """A new event loop of the platform's kind whose turns are recorded in ``turns``."""

    def watching(kind):
        class Watched(kind):
            def select(self, timeout=None):
                turns.end()
                try:
                    return super().select(timeout)
                finally:
                    turns.begin()

        return Watched

    if sys.platform == "win32":
        from asyncio.windows_events import IocpProactor

        return asyncio.ProactorEventLoop(watching(IocpProactor)())
    return asyncio.SelectorEventLoop(watching(selectors.DefaultSelector)())
