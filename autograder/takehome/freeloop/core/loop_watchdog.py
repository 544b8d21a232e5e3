"""Watches the event loop from inside the served process: how long each iteration takes, and which code it spends that in.

An *iteration* is what the loop does between two calls of its selector: it collects the ready callbacks and runs them.
During an iteration no other request is served, so its length is the loop lag that it causes, and the stack of the loop
thread during a long iteration shows the code that caused it.

A thread, the sampler, takes that stack every few milliseconds. Each sample is weighted by the time since the one before: a
call that holds the GIL stops the sampler as well, and the one sample after it must count for the whole call. Garbage
collections report themselves (``gc.callbacks``).

The modules in this folder are the package's core. They also run in the process that serves a learner's app in the course,
where they're imported by name, with only the standard library and uvicorn.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import linecache
import os
import re
import selectors
import sys
import sysconfig
import threading
import time
from collections import defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing import Protocol

    class SendReport(Protocol):
        """A function that sends a report: its event, the places that it's about, and the event's own fields."""

        def __call__(self, *, event: str, where: list[dict[str, object]], **more: Any) -> None: ...


Key = TypeVar("Key")

SAMPLE_INTERVAL_S = 0.005  # s: CPython switches threads after 5 ms, so a shorter interval shows nothing more
ITERATION_MIN_S = 0.010  # s: every healthy app has shorter iterations
SWITCH_INTERVAL_S = 0.005  # s for which a thread that runs Python code keeps the GIL when another waits for it
BUSY_MIN_S = 0.003  # s of CPU between two samples from which a thread counts as computing
BUSY_REPORT_S = 0.02  # s of CPU at one place, after which they are reported
GIL_HELD_MIN_S = 0.02  # s for which one call has to hold the GIL to be reported
GIL_HOLDER_SHARE = 0.8  # share of that time for which one thread must have computed to count as holding the GIL alone
COLLECTION_MIN_S = 0.001  # s: a shorter garbage collection is not recorded
CLOSED_POLL_S = 1.0  # s between two checks whether a loop that no longer runs was closed
REPORT_INTERVAL_S = 0.05  # s between two reports on a running iteration, for the live picture
OWN_THREADS = ("freeloop-", "course-")  # prefixes of the names of threads that aren't the app's
GIVEN_MODULE = "workshop.py"  # the course's module in an app's folder: the line that calls it matters

_LIBRARY = (
    *tuple(
        os.path.normcase(path) + os.sep
        for path in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    ),
    os.path.normcase(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep,
    "<frozen ",
)
_LIFESPAN = os.path.join("uvicorn", "lifespan", "on.py")
_COLLECT = re.compile(r"\bcollect\s*\(")
# Before 3.12 a collection may start wherever an object is created, even where `f_back` creates a frame object.
_COLLECTS_WHILE_ALLOCATING = sys.version_info < (3, 12)

# ``collection`` is "" for ordinary code, "explicit" for a call of gc.collect(), and "automatic" for any other collection;
# ``lifespan`` is True in the app's start-up, which may block because nothing is served yet
Place = namedtuple("Place", "file line last code function callee collection lifespan", defaults=("", "", False))


@contextlib.contextmanager
def stable_frames() -> Iterator[None]:
    """Prevent automatic garbage collections in the ``with`` block, in which another thread's frames are walked.

    A collection runs finalizers and callbacks in Python, which may release the GIL. If that happens inside ``f_back``, the
    observed thread can return from the frame for which an object is being created, and the process crashes with a
    segmentation fault. (CPython's own `sys._current_frames` does the same since 3.11.5: python/cpython#106883.)
    """
    if not (_COLLECTS_WHILE_ALLOCATING and gc.isenabled()):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _pread_keeping_the_gil() -> Callable[[int], bytes] | None:
    """Return a function that reads the start of an open file without releasing the GIL, or None where there is none.

    The kernel writes such a file's text within microseconds. A thread that releases the GIL to read it, as `os.pread` does, gets
    it back only after the call that another thread has begun meanwhile.
    """
    try:
        import ctypes

        pread = ctypes.PyDLL(None).pread
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    pread.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long
    pread.restype = ctypes.c_ssize_t

    def read(file: int) -> bytes:
        buffer = ctypes.create_string_buffer(80)
        count = pread(file, buffer, 80, 0)
        return buffer.raw[: max(count, 0)]

    return read


class ThreadTimes:
    """The CPU time and run-queue delay, in seconds, of the thread that creates the object. Any thread may read them.

    Linux counts both in ``/proc/<pid>/task/<tid>/schedstat``, in nanoseconds.  Elsewhere they are 0.0.
    """

    _pread = staticmethod(_pread_keeping_the_gil() or (lambda file: os.pread(file, 80, 0)))

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:
            self._file = None

    def read(self) -> tuple[float, float]:
        """Return (CPU seconds, seconds waiting for a CPU) so far; doesn't give the GIL away on Linux."""
        if self._file is None:
            return 0.0, 0.0
        try:
            cpu, waited = self._pread(self._file).split()[:2]
        except (OSError, ValueError):
            return 0.0, 0.0  # the thread has ended
        return int(cpu) / 1e9, int(waited) / 1e9

    def __del__(self) -> None:
        if (file := getattr(self, "_file", None)) is not None:
            os.close(file)


class MemoryPressure:
    """How long the calling thread waited for memory: for pages that the machine had evicted.

    The kernel counts a thread's major page faults, but not how long they took. It also reports how long any process of the
    machine was stalled by a shortage of memory ("some" in ``/proc/pressure/memory``, in microseconds). Together they give an
    upper bound. Reading a cold file for the first time isn't such a stall.
    """

    def __init__(self) -> None:
        self._faults, self._stalled = self._read()

    def since_last(self) -> float:
        """Return the seconds since the last call, or since the object was created. Call it in the measured thread."""
        faults, stalled = self._read()
        waited = stalled - self._stalled if faults > self._faults else 0.0
        self._faults, self._stalled = faults, stalled
        return waited

    def _read(self) -> tuple[int, float]:
        try:
            import resource

            faults = resource.getrusage(resource.RUSAGE_THREAD).ru_majflt
            with open("/proc/pressure/memory") as file:
                return faults, int(file.readline().rpartition("total=")[2]) / 1e6
        except (ImportError, AttributeError, OSError, ValueError):
            return 0, 0.0


class LoopIterations:
    """Records the loop's iterations. The loop thread writes, and the sampler reads.

    ``send_report`` is called with each report. ``phase`` is "import" until the loop runs, "startup" until the app is ready,
    then "serving".
    """

    sample_interval_s = SAMPLE_INTERVAL_S  # a permanent monitor samples less often

    def __init__(self, send_report: SendReport, app_folder: str) -> None:
        self.send_report = send_report
        self.set_folder(app_folder)
        self.loop_thread = threading.get_ident()
        self.phase = "import"
        self.samples: defaultdict[Place, float] = defaultdict(float)  # seconds by `Place`, according to the sampler
        self.collection_s = 0.0  # s of garbage collections on the loop thread in this iteration
        self.longest_collection = 0.0
        # seconds by the id of the asyncio task that ran
        self.tasks: defaultdict[int | None, float] = defaultdict(float)
        self.began = time.perf_counter()
        self.idle = True
        # (thread, start, end, CPU seconds) of long collections on other threads
        self.other_collections: deque[tuple[int, float, float, float]] = deque(maxlen=100)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._times: ThreadTimes  # these two belong to the loop thread: `start` creates them
        self._memory: MemoryPressure
        self._spent = 0.0, 0.0
        self._threads: set[str] = set()
        self._collecting: dict[int, tuple[float, float]] = {}
        self._stopped = threading.Event()

    def set_folder(self, app_folder: str) -> None:
        """Set the folder whose code counts as the app's."""
        self.app_folder = os.path.join(os.path.normcase(os.path.realpath(app_folder)), "")
        # an installed app is in the folder of libraries, but doesn't count as one
        self._library = tuple(path for path in _LIBRARY if not self.app_folder.startswith(path))

    def start(self) -> threading.Thread:
        """Start and return the sampler. Call it in the loop thread.

        The first iteration is everything before the first call of the selector, including the import of the app.
        """
        self._times = ThreadTimes()
        self._memory = MemoryPressure()
        self.begin()
        gc.callbacks.append(self._collected)
        sampler = threading.Thread(target=self._sample, name="freeloop-watch", daemon=True)
        sampler.start()
        return sampler

    def stop(self) -> None:
        """Stop the sampler and all recording."""
        self._stopped.set()
        self.idle = True
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(self._collected)

    def wait_for_collections(self, limit_s: float) -> None:
        """Wait until the sampler has reported all collections of other threads, but at most ``limit_s`` seconds.

        Call it in a thread that isn't watched. The sampler may get a CPU only after the responses have been sent.
        """
        deadline = time.perf_counter() + limit_s
        while (self._collecting or self.other_collections) and time.perf_counter() < deadline:
            time.sleep(self.sample_interval_s)

    def begin(self) -> None:
        """Record that an iteration begins."""
        self._spent = self._times.read()
        self.collection_s = self.longest_collection = 0.0
        self.began = time.perf_counter()
        self.idle = False

    def end(self) -> None:
        """Record that an iteration has ended, and report it if it was long."""
        self.idle = True
        ended = time.perf_counter()
        if ended - self.began >= ITERATION_MIN_S:
            samples, self.samples = self.samples.copy(), defaultdict(float)  # the sampler may still add to the old ones
            tasks, self.tasks = self.tasks, defaultdict(float)
            self._add_unseen_collections(samples)
            self._report("turn", ended, samples, tasks)
        else:
            self.samples = defaultdict(float)
            if self.tasks:
                self.tasks = defaultdict(float)

    def thread_cpu_sampler(self) -> ThreadCpuSampler:
        """Return the sampler of the other threads' CPU time."""
        return ThreadCpuSampler(self)

    def current(self) -> tuple[Place, float] | None:
        """Return the place of the loop in the current iteration, and for how long it's there, without waits for a CPU; or None.

        Any other thread may call it.
        """
        began, waited = self.began, self.waited()
        with stable_frames():
            frame = sys._current_frames().get(self.loop_thread)
            if self.idle or frame is None:
                return None
            place, seconds = self.place(frame), time.perf_counter() - began - waited
        return None if self.idle or self.began != began else (place, max(seconds, 0.0))

    def waited(self) -> float:
        """Return the seconds for which the loop thread has waited for a CPU since this iteration began."""
        return max(self._times.read()[1] - self._spent[1], 0.0)

    def _add_unseen_collections(self, samples: defaultdict[Place, float]) -> None:
        """Attribute collections that ended before the sampler got a CPU to the app's line with most time in this iteration."""
        missing = self.collection_s - sum(seconds for place, seconds in samples.items() if place.collection)
        if self.phase != "serving" or missing < COLLECTION_MIN_S:
            return
        ours = [place for place, _ in most(samples) if os.path.normcase(place.file).startswith(self.app_folder)]
        place = ours[0] if ours else Place("", 0, 0, "", "")
        how = "explicit" if _COLLECT.search(place.code) else "automatic"
        samples[place._replace(collection=how)] += missing

    def _report(
        self, event: str, ended: float, samples: Mapping[Place, float], tasks: Mapping[int | None, float]
    ) -> None:
        cpu, waited = (now - then for now, then in zip(self._times.read(), self._spent, strict=True))
        threads_waited = paged = 0.0
        if event == "turn":  # on the loop thread: these counters must be read in their own thread
            starting = sum(seconds for place, seconds in samples.items() if place.function == "Thread.start")
            threads_waited = min(self._new_threads_waited(), starting) if starting else 0.0
            paged = min(self._memory.since_last(), max(ended - self.began - cpu - waited, 0.0))
        self.send_report(
            event=event,
            start=self.began,
            end=ended,
            waited=max(waited, 0.0),
            threads_waited=threads_waited,
            paged=paged,
            phase=self.phase,
            modules=len(sys.modules),
            tasks=len(tasks),
            longest_task=max(tasks.values(), default=0.0),
            longest_collection=self.longest_collection,
            where=places(samples),
        )

    def _new_threads_waited(self) -> float:
        """Return for how many seconds new threads have waited for a CPU; the loop waited for their start as well."""
        waited = 0.0
        try:
            now = set(os.listdir("/proc/self/task"))
        except OSError:
            return 0.0
        for thread in now - self._threads:
            try:
                with open(f"/proc/self/task/{thread}/schedstat", "rb") as file:
                    waited += int(file.read().split()[1]) / 1e9
            except (OSError, IndexError):
                continue
        self._threads = now
        return waited

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        """Record how long a garbage collection took; called by the interpreter, on any thread.

        A collection may start anywhere, even where the interpreter creates a frame, so no stack is read here. It never
        sleeps, so its CPU time is its duration without delays by the machine.
        """
        thread, now, cpu = threading.get_ident(), time.perf_counter(), time.thread_time()
        if phase == "start":
            self._collecting[thread] = now, cpu
            return
        began, cpu_before = self._collecting.pop(thread, (now, cpu))
        seconds = cpu - cpu_before
        if thread != self.loop_thread:
            if seconds >= GIL_HELD_MIN_S:
                self.other_collections.append((thread, began, now, seconds))
        elif not self.idle:
            self.collection_s += seconds
            self.longest_collection = max(self.longest_collection, seconds)

    def _sample(self) -> None:
        reported = 0.0
        seen = Seen(0.0, 0.0, 0.0, 0.0)
        busy = self.thread_cpu_sampler()
        own = ThreadTimes()
        now, held_up = time.perf_counter(), False
        while not self._stopped.is_set():
            if self.loop is not None and self.loop.is_closed():
                return self.stop()  # the loop no longer runs in this thread
            asleep, own_waited = time.perf_counter(), own.read()[1]
            # If something after the sample took long, such as writing a report, which releases the GIL, the loop thread may have
            # begun and ended a long call meanwhile. Its line is on the stack now, and no longer after a sleep.
            held_up = not held_up and asleep - now >= self.sample_interval_s
            if not held_up:
                time.sleep(self.sample_interval_s)
            # From here to `_take` nothing may release the GIL, as reading a file does: the loop thread would continue, and
            # end the iteration before the sample that stands for a long call is taken.
            # If it continues all the same, the sample is added to those of the iteration in which it was taken: each iteration
            # has its own, and they are read first.
            samples, began, idle, now = self.samples, self.began, self.idle, time.perf_counter()
            if seen.began != began:
                seen = Seen(began, began, 0.0, 0.0)
            with stable_frames():
                sample = self._take(samples, seen, now) if not idle and now - began >= self.sample_interval_s else None
                stopped = max(now - asleep - self.sample_interval_s - (own.read()[1] - own_waited), 0.0)
                computed = busy.sample()
            if self._collecting:
                time.sleep(0)  # releases the GIL: a thread that has just collected garbage can record it
            if self.other_collections:
                with stable_frames():
                    self._report_collections()
            elif idle and stopped >= GIL_HELD_MIN_S and began < asleep:
                self._report_gil_holder(now - stopped, now, computed)
            if sample is None:
                continue
            place, task, seconds, collecting = sample
            waited = self.waited()
            if self.idle or self.began != began:
                continue  # the iteration has ended, and was reported
            self._take_off(samples, place, seen.place, seconds, waited - seen.waited)
            # it certainly ran while it held the GIL, and otherwise no longer than the sampler's interval
            queued = waited - seen.waited
            certain = self.sample_interval_s + max(stopped - SWITCH_INTERVAL_S - collecting - queued, 0.0)
            self.tasks[task] += max(min(seconds - queued, certain), 0.0)
            seen = Seen(began, now, waited, seen.collected + collecting, place)
            if now - began >= REPORT_INTERVAL_S and now - reported >= REPORT_INTERVAL_S:
                reported = now
                self._report("late", now, dict(self.samples), {})

    def _take(
        self, samples: defaultdict[Place, float], seen: Seen, now: float
    ) -> tuple[Place, int | None, float, float] | None:
        """Attribute the time since the previous sample; return (place, task, seconds, seconds of collections)."""
        frame = sys._current_frames().get(self.loop_thread)
        if frame is None:
            return None
        task, collecting = self._task(), max(self.collection_s + self._unrecorded_collection_s() - seen.collected, 0.0)
        place = self.place(frame)
        if collecting >= COLLECTION_MIN_S and os.path.normcase(place.file).startswith(self.app_folder):
            how = "explicit" if _COLLECT.search(place.code) else "automatic"
            samples[place._replace(collection=how)] += collecting
            if how == "explicit":
                place = place._replace(collection=how)  # the collection gets all of the time, on a busy machine as well
        seconds = max(now - seen.at - collecting, 0.0)
        samples[place] += seconds
        return place, task, seconds, collecting

    def _unrecorded_collection_s(self) -> float:
        """Return the CPU seconds of a collection on the loop thread that is under way, or has ended and isn't recorded yet."""
        under_way = self._collecting.get(self.loop_thread)
        return max(self._times.read()[0] - under_way[1], 0.0) if under_way else 0.0

    def _take_off(
        self, samples: defaultdict[Place, float], place: Place, before: Place | None, seconds: float, waited: float
    ) -> None:
        """Subtract the time in which the loop thread waited for a CPU, first from the newest sample's place.

        The rest is subtracted from the place of the sample before: the kernel counts a wait only when it's over.
        """
        samples[place] = max(samples[place] - min(waited, seconds), 0.0)
        if waited > seconds and before is not None:
            samples[before] = max(samples[before] - (waited - seconds), 0.0)

    def _task(self) -> int | None:
        """Return the id of the asyncio task that is running on the loop, or None."""
        return id(asyncio.current_task(self.loop)) if self.loop is not None else None

    def _report_gil_holder(self, start: float, end: float, computed: Mapping[Place, float]) -> None:
        """Report the thread that held the GIL from ``start`` to ``end`` while the loop waited for work, if it was only one."""
        place, seconds = max(computed.items(), key=lambda item: item[1], default=(None, 0.0))
        if place and seconds >= GIL_HOLDER_SHARE * (end - start):
            self._report_hold(start, end, place, seconds)

    def _report_hold(self, start: float, end: float, place: Place, cpu: float) -> None:
        """Report that another thread held the GIL from ``start`` to ``end``, and computed for ``cpu`` seconds of it."""
        waited = max(end - start - cpu, 0.0)
        self.send_report(event="gil", start=start, end=end, waited=waited, where=places({place: cpu}))

    def _report_collections(self) -> None:
        """Report garbage collections on other threads, which hold the GIL from beginning to end."""
        while self.other_collections:
            thread, start, end, seconds = self.other_collections[0]
            frame = sys._current_frames().get(thread)
            place = self.place(frame) if frame is not None else Place("", 0, 0, "", "")
            self._report_hold(start, end, place._replace(collection="automatic"), seconds)
            self.other_collections.popleft()  # only now: `wait_for_collections` waits until it's reported

    def place(self, frame) -> Place:
        """Return the `Place` of the innermost frame in the learner's folder.

        If no such frame is on the stack, use the innermost frame outside asyncio and uvicorn.
        ``callee`` is what their line had called, if that is a Python function.
        """
        callee = ""
        instead = frame
        given = None
        lifespan = self.phase == "startup" and in_lifespan(frame)
        while frame is not None:
            name = os.path.normcase(frame.f_code.co_filename)
            if name.startswith(self.app_folder) and not name.startswith(self._library):
                if os.path.basename(name) != GIVEN_MODULE:
                    return Place(*position(frame), callee, lifespan=lifespan)
                given = frame  # the outermost of its frames is the function that was called
            callee = qualified_name(frame.f_code)
            if callee == "Thread.start":
                instead = frame  # it waits for the start of a thread, which says more than the lock on which it waits
            frame = frame.f_back
        found = position(given or instead)
        if given is None and found[4] == "Handle._run":
            found = (*found[:3], callback_of(instead), found[4])
        return Place(*found, lifespan=lifespan)


class Seen(namedtuple("Seen", "began at waited collected place", defaults=(None,))):
    """The newest sample: its iteration's start, its time, the loop's waits for a CPU and collections so far, and the place."""


class ThreadCpuSampler:
    """Samples where the other threads compute, and reports their CPU seconds by place as they add up.

    A thread that computes in one call that holds the GIL stops the sampler as well; it's sampled right after that call.
    """

    def __init__(self, iterations: LoopIterations) -> None:
        self._iterations = iterations
        self._spent = time.process_time()
        self._last: dict[int, float] = {}
        self._seconds: defaultdict[Place, float] = defaultdict(float)

    def sample(self) -> Mapping[Place, float]:
        """Return the CPU seconds that each other thread has spent since the last call, by the place where it is now."""
        spent = time.process_time()
        if spent - self._spent < BUSY_MIN_S:
            return {}
        self._spent = spent
        frames = sys._current_frames()
        found: defaultdict[Place, float] = defaultdict(float)
        for thread in threading.enumerate():
            ident = thread.ident  # None for a thread that is just starting
            if ident is None or ident == self._iterations.loop_thread or thread.name.startswith(OWN_THREADS):
                continue
            seconds = self._cpu(thread.native_id)
            seconds, self._last[ident] = seconds - self._last.get(ident, 0.0), seconds
            frame = frames.get(ident)
            if seconds >= BUSY_MIN_S and frame is not None:
                place = self._iterations.place(frame)
                found[place] += seconds
                self._add(place, seconds)
        del frames
        return found

    def _add(self, place: Place, seconds: float) -> None:
        if not os.path.normcase(place.file).startswith(self._iterations.app_folder):
            return
        self._seconds[place] += seconds
        if self._seconds[place] >= BUSY_REPORT_S:
            seconds = self._seconds.pop(place)
            self._iterations.send_report(event="busy", seconds=seconds, where=places({place: seconds}))

    def _cpu(self, tid: int | None) -> float:
        try:
            with open(f"/proc/self/task/{tid}/schedstat", "rb") as file:
                return int(file.read().split()[0]) / 1e9
        except (OSError, IndexError):
            return 0.0


def in_lifespan(frame) -> bool:
    """Return True if a frame was called by uvicorn's lifespan protocol."""
    while frame is not None:
        if frame.f_code.co_filename.endswith(_LIFESPAN):
            return True
        frame = frame.f_back
    return False


def callback_of(frame) -> str:
    """Return the name of the callback that asyncio runs in a frame of ``Handle._run``: ``time.sleep, given to call_soon``."""
    try:
        callback = frame.f_locals["self"]._callback
        callback = getattr(callback, "func", callback)
        name = getattr(callback, "__qualname__", "") or type(callback).__qualname__
        module = getattr(callback, "__module__", None) or ""
    except (AttributeError, KeyError, TypeError):
        return ""
    return f"{module}.{name} as a callback of the loop" if module else f"{name} as a callback of the loop"


def qualified_name(code) -> str:
    """Return the name of a code object, with that of its class from Python 3.11 on."""
    return getattr(code, "co_qualname", code.co_name)


def position(frame) -> tuple[str, int, int, str, str]:
    """Return (file, line, last line, code, function) of what a frame is executing right now."""
    code = frame.f_code
    line = last = frame.f_lineno or 0
    start = stop = None
    positions: Iterable[tuple[int, int, int, int]] = getattr(
        code, "co_positions", tuple
    )()  # Python 3.10 has no columns
    found = next(itertools.islice(positions, max(frame.f_lasti, 0) // 2, None), None)
    if found and found[0]:
        line, last, start, stop = found
    first = linecache.getline(code.co_filename, line).rstrip("\n")
    if start is not None and last == line:
        # columns count UTF-8 bytes
        text = first.encode()[start:stop].decode(errors="replace")
    else:
        text = first.strip()
        # a method chain over several lines: use the line with the name of the called method
        for number in range(line + 1, (last or line) + 1):
            if "(" in text or text.endswith(":"):  # the first line of a block says enough
                break
            text += linecache.getline(code.co_filename, number).strip()
    return code.co_filename, line, last or line, text.strip()[:200], qualified_name(code)


def most(seconds: Mapping[Key, float]) -> list[tuple[Key, float]]:
    """Return the items of a mapping to seconds, in descending order of these."""
    # an atomic copy, because another thread may be adding to it
    return sorted(dict(seconds).items(), key=lambda item: item[1], reverse=True)


def places(samples: Mapping[Place, float]) -> list[dict[str, object]]:
    """Return the five places with the most seconds, in descending order, as dictionaries for JSON."""
    return [dict(place._asdict(), seconds=seconds) for place, seconds in most(samples)[:5]]


def attach(loop: asyncio.AbstractEventLoop, iterations: LoopIterations) -> bool:
    """Record the iterations of an existing loop. Call it in the loop's thread.

    Return False if the loop's iterations can't be observed, as with uvloop, which is written in C. Use `watch_from_outside` then.
    """
    selector: Any = getattr(loop, "_selector", None)
    select = getattr(selector, "select", None)
    if select is None or getattr(loop, "_run_once", None) is None:
        return False

    def selecting(timeout: float | None = None) -> object:
        iterations.end()
        try:
            return select(timeout)
        finally:
            iterations.begin()

    try:
        selector.select = selecting
    except AttributeError:
        return False
    iterations.loop = loop
    return True


def detach(loop: asyncio.AbstractEventLoop) -> None:
    """Undo `attach`."""
    selector: Any = getattr(loop, "_selector", None)
    if selector is not None and "select" in vars(selector):
        del selector.select


def watch_from_outside(
    loop: asyncio.AbstractEventLoop, iterations: LoopIterations, interval_s: float = SAMPLE_INTERVAL_S
) -> threading.Thread:
    """Record how long a loop takes to run a callback, if its iterations can't be observed; return the thread.

    Each recorded iteration lasts from scheduling the callback until it runs. That is the lag of the loop, at the resolution
    of these callbacks.
    """
    ran = threading.Event()
    iterations.loop = loop

    def mark() -> None:
        if iterations.phase == "import":
            iterations.phase = "startup"
        iterations.end()
        ran.set()

    def pulse() -> None:
        while True:
            time.sleep(interval_s)
            ran.clear()
            iterations.begin()
            try:
                loop.call_soon_threadsafe(mark)
            except RuntimeError:
                iterations.idle = True
                return  # the loop is closed
            while not ran.wait(CLOSED_POLL_S):
                if loop.is_closed():
                    return

    thread = threading.Thread(target=pulse, name="freeloop-pulse", daemon=True)
    thread.start()
    return thread


def watched_loop(iterations: LoopIterations) -> asyncio.AbstractEventLoop:
    """Return a new event loop of the platform's kind whose iterations are recorded in ``iterations``."""

    def watching(kind: type) -> type:
        class Watched(kind):
            def select(self, timeout: float | None = None) -> list[object]:
                iterations.end()
                if iterations.phase == "import":
                    iterations.phase = "startup"
                try:
                    return super().select(timeout)
                finally:
                    iterations.begin()

        return Watched

    if sys.platform == "win32":
        from asyncio.windows_events import IocpProactor

        iterations.loop = asyncio.ProactorEventLoop(watching(IocpProactor)())
    else:
        iterations.loop = asyncio.SelectorEventLoop(watching(selectors.DefaultSelector)())
    return iterations.loop
