"""A race: N requests that are sent together, canaries during them, and the results."""

from __future__ import annotations

import linecache
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from autograder.lab import timeline
from autograder.lab.predictions import Prediction
from autograder.lab.reports import WITHHELD
from autograder.lab.timeline import short
from autograder.programs.messages.races import (
    CanaryDone,
    CanarySent,
    LoopAsleep,
    LoopSample,
    RaceEnded,
    RaceEvent,
    RaceStarted,
    RequestDone,
    RequestSent,
)
from autograder.programs.messages.reports import GilHeld, Iteration, Place, Report, RequestFailed, ThreadCpu

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.figure import Figure


BLOCKED_FROM = 0.020  # s of attributed lag; below it are the iterations of healthy apps (see docs/verdicts.md)
ACCUSED_FROM = 0.1  # s of attributed lag from which a line is named, however busy the machine is
CROWD_TASKS = 3  # tasks in one iteration from which it may be long because many requests came at once ...
CROWD_TASK_MAX_S = 0.015  # ... if no task was seen to run for so long (the grid of samples is 5 ms) ...
# ... and no garbage collection: 30 ms were seen after gc.freeze(), 60 ms and more before
CROWD_COLLECTION_MAX_S = 0.040
CPU_WAIT_MIN_S = 0.05  # s of waiting for a CPU from which the lane's text mentions it ...
CPU_WAIT_SHARE = 0.2  # ... and, if the loop was blocked as well, its minimum share of both together
COLLECTION = "garbage collection"
UNKNOWN_CAUSE = "something that left no trace"  # a call that holds the GIL stops the watchdog as well
REPORTS_LIMIT = 5000  # reports of one kind that are kept for a race


def happened(moment: float | None) -> float:
    """Return a moment of a race. Raises `ValueError` if it hasn't come yet."""
    if moment is None:
        raise ValueError("this has not happened yet in the race")
    return moment


@dataclass
class Request:
    """One request of a race. Times are in seconds since the race began; ``end`` is None while it's in progress."""

    key: int
    path: str
    method: str = "GET"
    start: float | None = None
    end: float | None = None
    status: int | None = None
    error: str | None = None
    body: str = ""

    @property
    def seconds(self) -> float | None:
        """Seconds from sending the request to the end of its response; None if it has no response."""
        return None if self.end is None or self.start is None else self.end - self.start

    @property
    def sent_at(self) -> float:
        """``start`` of a request that was sent. Raises `ValueError` if it wasn't."""
        return happened(self.start)

    @property
    def ended_at(self) -> float:
        """``end`` of a request that has ended. Raises `ValueError` if it hasn't."""
        return happened(self.end)

    @property
    def route(self) -> str:
        """The path without its query string."""
        return self.path.split("?")[0]

    @property
    def ok(self) -> bool:
        """True if the response has a status below 400."""
        return self.status is not None and self.status < 400 and not self.error


@dataclass
class Canary:
    """A cheap request that shows whether the loop still responds.

    ``waited`` is for how many seconds the load generator itself waited for a CPU meanwhile, which isn't the app's fault.
    """

    LATE: ClassVar = 0.05  # s: a canary that takes longer is drawn as late

    start: float
    end: float | None = None
    waited: float = 0.0
    answered: bool = False

    @property
    def ended_at(self) -> float:
        """``end`` of a canary that has ended. Raises `ValueError` if it hasn't."""
        return happened(self.end)

    def late(self, now: float | None = None) -> bool:
        """Return True if it took, or by ``now`` has taken, so long that the loop wasn't free.

        Both the picture and the lane's text depend on this.
        """
        end = now if self.end is None else self.end
        return end is not None and end - self.start - self.waited >= self.LATE


@dataclass
class Blocked:
    """A period in which the loop served no request, in seconds since the race began, and the code that blocked it.

    **Blocked** means: by the app's own code. So ``seconds``, the number that captions, pictures, checks and lists use, leaves
    out the times that the machine is responsible for: ``waited``, in which the loop thread waited for a CPU,
    ``threads_waited``, in which it waited for a thread that waited for a CPU, and ``paged``, in which it waited for memory.
    ``line`` is 0 if no line of the learner's was on the stack.
    """

    start: float
    end: float
    waited: float
    file: str
    line: int
    code: str
    function: str
    callee: str = ""
    in_app: bool = True
    thread: (
        tuple[int, str] | tuple[()]
    ) = ()  # (line, code) of the app in a thread that computed meanwhile and made the loop wait
    threads_waited: float = 0.0
    paged: float = 0.0
    collection: str = ""  # "explicit" or "automatic" if most of it was a garbage collection
    crowd: bool = False  # many tasks ran, none of them for long

    @property
    def machine_seconds(self) -> float:
        """Seconds for which the machine is responsible: waiting for a CPU, or for memory."""
        return min(self.waited + self.threads_waited + self.paged, self.end - self.start)

    @property
    def seconds(self) -> float:
        """Seconds for which the app's own code blocked the loop."""
        return max(self.end - self.start - self.machine_seconds, 0.0)

    @property
    def queued(self) -> bool:
        """True if the machine is responsible for most of it, and the rest is too short to blame a line for it."""
        return self.machine_seconds > self.seconds and self.seconds < ACCUSED_FROM

    @property
    def cause(self) -> str:
        """What blocked the loop, for pictures: ``time.sleep(0.2) in line 9``."""
        return self.cause_in(None)

    @property
    def quoted_cause(self) -> str:
        """`cause` for a sentence, with the code between backticks: a statement such as ``with pool:`` reads as words otherwise."""
        return self.cause_in(None, "`")

    def cause_in(self, room: int | None, mark: str = "") -> str:
        """Return `cause` in at most ``room`` characters: long code is cut, the line number isn't. Code is put between ``mark``."""
        if self.thread:
            line, code = self.thread
            where = (f" in line {line}" if line else "") + ", in a thread"
            around = mark if line and code != COLLECTION else ""
            return around + short(code, room and room - len(where)) + around + where
        if self.function == "Thread.start" and not self.collection:
            return short("the start of threads", room)
        before = "automatic garbage collection" if self.collection == "automatic" else ""
        after = " (garbage collection)" if self.collection == "explicit" else ""
        if self.in_app and self.line:
            where = f" in line {self.line}{after}"
            code = f"{before}, during {mark}{self.code}" if before else mark + self.code
            return short(code, room and room - len(where)) + mark + where
        if before or after:
            return short(before or COLLECTION, room)
        if " as a callback" in self.code or self.code == WITHHELD.code:
            return short(self.code, room)
        return short(f"{self.function} in {os.path.basename(self.file)}" if self.function else UNKNOWN_CAUSE, room)

    @property
    def place(self) -> str:
        """Where it blocked: ``line 9, in pause, in shop.py``."""
        return f"line {self.line}, in {self.function}, in {os.path.basename(self.file)}"


@dataclass(repr=False)
class Race:
    """The results of a race. All times are in seconds since it began."""

    title: str
    file: str
    requests: list[Request]
    canaries: list[Canary] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)  # by the app's own code
    # long iterations due to the machine, or to many requests at once
    not_blamed: list[Blocked] = field(default_factory=list)
    startup: list[Blocked] = field(default_factory=list)  # before the app was ready, by tasks that it had started
    gil_holds: list[Blocked] = field(default_factory=list)  # another thread held the GIL, as the watchdog reports
    errors: list[RequestFailed] = field(default_factory=list)
    samples: list[LoopSample] = field(default_factory=list)
    elsewhere: int = 0  # connections that the app's loop doesn't poll
    # (start, end, call): the newest long sleep of the loop thread in one system call
    asleep: tuple[float, float, str] | None = None
    watchers: list[int] = field(default_factory=list)  # ids of the threads in the served process that aren't the app's
    # lines of the app in which the loop was seen, (line, code), with the longest time in one iteration, in seconds
    found: dict[tuple[int, str], float] = field(default_factory=dict)
    # CPU seconds of other threads, by (line, code, function, file)
    busy: dict[tuple[int, str, str, str], float] = field(default_factory=dict)
    began: float | None = None
    end: float | None = None
    pending_block: Blocked | None = None
    prediction: Prediction | None = None
    mixed: bool = False  # the requests differ, so their times can't be compared
    held: bool = False  # replies were held for different times, so those of the requests can't be compared
    turn_ended: float | None = None  # the start of the newest iteration of the loop that has ended
    host_delay_s: float = 0.0  # seconds for which the process that runs the race, and maybe its services, couldn't run
    judged: bool = False  # the judge decides on excuses and threads itself, with more evidence

    @property
    def name(self) -> str:
        """The file and the title of the race: ``cafe.py, /coffee``."""
        return f"{os.path.basename(self.file)}, {self.title}"

    @property
    def began_at(self) -> float:
        """``began`` of a race that has started. Raises `ValueError` if it hasn't."""
        return happened(self.began)

    @property
    def seconds(self) -> float:
        """Seconds from the first request to the last response."""
        return max((r.end for r in self.requests if r.end is not None), default=0.0)

    @property
    def quickest(self) -> float:
        """Seconds of the fastest successful request, or of the fastest failed one if none succeeded; 0.0 without responses."""
        done = [(r.ok, r.seconds) for r in self.requests if r.seconds is not None]
        return min([seconds for ok, seconds in done if ok] or [seconds for _, seconds in done], default=0.0)

    @property
    def ratio(self) -> float:
        """The time of all requests together, divided by that of the fastest one."""
        return self.seconds / self.quickest if self.quickest else 0.0

    @property
    def long_iterations(self) -> list[Blocked]:
        """Every iteration of at least 20 ms, whatever caused it, in order."""
        return sorted([*self.blocked, *self.not_blamed], key=lambda block: block.start)

    @property
    def loop_lag(self) -> float:
        """The longest time for which the app's own code blocked the loop, in milliseconds."""
        return 1000 * max((seconds for _, seconds in timeline.held_pieces(self.blocked)), default=0.0)

    @property
    def worst_block(self) -> Blocked | None:
        """The longest of ``blocked``, or None if the loop was never blocked."""
        return max(self.blocked, key=lambda b: b.seconds, default=None)

    @property
    def lane(self) -> str:
        """The lane of the loop in words."""
        return self.lane_at(None)

    def lane_at(self, now: float | None) -> str:
        """Return the state of the loop in words; ``now`` (seconds since the race began) while the race is running."""
        blocks = self.blocks_at(now)
        blocked = sum(block.seconds for block in blocks)
        waited = self.cpu_wait_seconds
        much = waited >= CPU_WAIT_MIN_S and waited >= CPU_WAIT_SHARE * (waited + blocked)
        if blocks:
            return f"blocked for {blocked:.2f} s" + (f" (plus {waited:.2f} s waiting for a CPU)" if much else "")
        if much:
            return f"waiting for a CPU for {waited:.2f} s"
        if any(block.crowd for block in self.not_blamed) or any(canary.late(now) for canary in self.canaries):
            return "never blocked for long, but busy"
        return "free"

    def blocks_at(self, now: float | None) -> list[Blocked]:
        """Return the blocks so far, including the current one while the race is running (``now`` isn't None)."""
        pending = self.pending_block
        if now is None or pending is None or pending.queued or pending.seconds < BLOCKED_FROM:
            return list(self.blocked)
        return [*self.blocked, pending]

    @property
    def blocked_seconds(self) -> float:
        """Seconds for which the app's own code blocked the loop in all."""
        return sum(b.seconds for b in self.blocked)

    @property
    def cpu_wait_seconds(self) -> float:
        """Seconds of long iterations in which the loop waited for a CPU or for memory."""
        return sum(b.machine_seconds for b in self.long_iterations)

    @property
    def worst_canary(self) -> float:
        """Seconds of the slowest canary that has ended; 0.0 if there is none."""
        return max((c.end - c.start for c in self.canaries if c.end is not None), default=0.0)

    def picture(self, now: float | None = None) -> Figure:
        """Return the figure of the race; ``now`` (seconds since it began) while it's running."""
        return timeline.draw(self, now)

    @property
    def sentence(self) -> str:
        """The picture in words."""
        return sentence(self)

    @property
    def caption(self) -> str:
        """What stands below the picture: its sentence, or only the measured times if a verdict on the loop follows."""
        return sentence(self, loop=not self.judged)

    def __repr__(self) -> str:
        return f"<Race: {self.sentence}>"

    def apply(self, event: RaceEvent | Report) -> None:
        """Process one event of the load generator or one report of the served process."""
        if isinstance(event, RaceStarted):
            self.began = event.t
            self.elsewhere = event.elsewhere
            for request in self.requests:
                request.start = None
        elif isinstance(event, ThreadCpu):
            self._take_thread_cpu(event)
        elif isinstance(event, RequestFailed):
            if len(self.errors) < REPORTS_LIMIT:
                self.errors.append(event)
        elif self.began is not None:
            self._take(event, self.began)

    def _take(self, event: RaceEvent | Report, began: float) -> None:
        """Process an event or report from the time after ``began``."""
        if isinstance(event, RequestSent):
            self.requests[event.key].start = event.t - began
        elif isinstance(event, RequestDone):
            request = self.requests[event.key]
            request.end = event.t - began
            request.status, request.error, request.body = event.status, event.error, event.body
        elif isinstance(event, CanarySent):
            self.canaries.append(Canary(event.t - began))
        elif isinstance(event, CanaryDone):
            if not self.canaries or self.canaries[-1].end is not None:
                self.canaries.append(Canary(event.start - began))
            canary = self.canaries[-1]
            canary.end, canary.waited, canary.answered = event.end - began, event.waited, event.answered
        elif isinstance(event, Iteration) and event.end > began:
            self._take_iteration(event)
        elif isinstance(event, GilHeld) and event.where and len(self.gil_holds) < REPORTS_LIMIT:
            self.gil_holds.append(self._block(event))
        elif isinstance(event, LoopAsleep):
            self.asleep = (event.start - began, event.end - began, event.call)
        elif isinstance(event, RaceEnded):
            self.end = event.t - began
            self.samples = event.samples

    def _take_thread_cpu(self, report: ThreadCpu) -> None:
        if not report.where:
            return
        place = report.where[0]
        where = place.line, place.code, place.function, place.file
        if where in self.busy or len(self.busy) < REPORTS_LIMIT:
            self.busy[where] = self.busy.get(where, 0.0) + report.seconds

    def _block(self, report: Iteration | GilHeld) -> Blocked:
        """Return the `Blocked` for one report."""
        place = report.where[0] if report.where else Place()
        began = self.began or 0.0
        block = Blocked(
            start=max(report.start - began, 0.0),
            end=report.end - began,
            waited=report.waited,
            file=place.file,
            line=place.line,
            code=place.code,
            function=place.function,
            callee=place.callee,
            in_app=place.file == self.file,
            collection=place.collection,
        )
        if isinstance(report, Iteration):
            block.threads_waited = 0.0 if self.judged else report.threads_waited
            block.paged = report.paged
            block.crowd = (
                report.tasks >= CROWD_TASKS
                and report.longest_task < CROWD_TASK_MAX_S
                and report.longest_collection < CROWD_COLLECTION_MAX_S
            )
        return block

    def _take_iteration(self, report: Iteration) -> None:
        if self.end is not None and self.began is not None and report.start - self.began > self.end:
            return
        block = self._block(report)
        if not report.over:
            # the watchdog and the loop report from different threads: this iteration may have ended already, and be counted
            if self.turn_ended is None or report.start > self.turn_ended:
                self.pending_block = block
            return
        self.pending_block, self.turn_ended = None, report.start
        own = max(report.end - report.start - report.waited, 0.0)
        for place in report.where:
            where = place.line, place.code
            if place.file == self.file and (where in self.found or len(self.found) < REPORTS_LIMIT):
                self.found[where] = max(self.found.get(where, 0.0), min(place.seconds, own))
        self._add(block)

    def _add(self, block: Blocked) -> None:
        if max(block.seconds, block.machine_seconds) < BLOCKED_FROM:
            return
        blamed = block.seconds >= BLOCKED_FROM and not block.queued and not block.crowd
        into = self.blocked if blamed else self.not_blamed
        if len(into) < REPORTS_LIMIT:
            into.append(block)

    def blame_threads(self) -> None:
        """Name the thread that computed, if the loop was seen in a line that itself only waits.

        Only one thread of a process runs Python at a time. A line that awaits, or one of asyncio's own, can't block the loop
        for long. A thread of the app can, and the watchdog has reported how long each of them computed.
        """
        place, spent = max(self.busy.items(), key=lambda item: item[1], default=(None, 0.0))
        for block in self.blocked:
            waits = not block.in_app or "await " in block.code
            if place and waits and spent >= block.seconds / 2 and place[3] == self.file:
                block.thread = place[:2]
        for hold in self.gil_holds:
            self._blame_for_gil(hold)
        self.blocked.sort(key=lambda block: block.start)

    def _blame_for_gil(self, hold: Blocked) -> None:
        """Record that a call on another thread held the GIL, which blocked the loop in an iteration or before one could begin."""
        what = COLLECTION if hold.collection else hold.code
        if not hold.in_app and not hold.collection:
            what = f"{hold.function} in {os.path.basename(hold.file)}"
        hold.thread = (hold.line if hold.in_app else 0, what)
        covered = 0.0
        for block in self.blocked:
            shared = min(block.end, hold.end) - max(block.start, hold.start)
            if shared > 0:
                covered += shared
                if shared >= block.seconds / 2:
                    block.thread = hold.thread
        if covered < hold.seconds / 2 and hold.seconds >= BLOCKED_FROM and hold.end > 0:
            self.blocked.append(hold)

    def take_stuck(self, frames: list[Place]) -> None:
        """Record as blocking the app's line in the stack (innermost frame first) of a loop thread that no longer reports."""
        place = next((frame for frame in frames if os.path.realpath(frame.file) == os.path.realpath(self.file)), None)
        if place is None or self.end is None or any(os.path.basename(f.file) == "selectors.py" for f in frames[:1]):
            return
        start = max((canary.ended_at for canary in self.canaries if canary.answered), default=0.0)
        code = linecache.getline(place.file, place.line).strip()
        self.pending_block = None
        self._add(Blocked(start, self.end, 0.0, self.file, place.line, code, place.function))

    def settle(self) -> None:
        """Finish the race: a block that hasn't ended counts as far as it was seen."""
        if self.pending_block is not None:
            self._add(self.pending_block)
        self.pending_block = None


def sentence(race: Race, loop: bool = True) -> str:
    """Return one or two sentences that describe the picture of a race, without the one on the event loop if ``loop`` is False."""
    answered = [r for r in race.requests if r.ok]
    n = len(race.requests)
    if race.end is None:
        return f"{race.name}: not finished, {len(answered)} of {n} requests were answered."
    if not answered:
        return " ".join(
            [_none_answered(race), *([_loop(race)] if race.blocked else []), *startup_sentence(race.startup)]
        )
    parts = []
    if n > 1 and (race.mixed or race.held):
        parts.append(f"{race.name}: {n} requests took {race.seconds:.2f} s together.")
    elif n > 1:
        parts.append(
            f"{race.name}: {n} requests took {race.seconds:.2f} s together, "
            f"{race.ratio:.1f} times the quickest of them ({race.quickest:.2f} s)."
        )
    else:
        parts.append(f"{race.name}: one request took {race.seconds:.2f} s.")
    if len(answered) < n:
        parts.append(f"{n - len(answered)} of them failed.")
    if loop:
        parts.append(_loop(race))
    if race.prediction and race.prediction.seconds is not None:
        parts.append(f"You predicted {race.prediction}.")
    if race.canaries:
        parts.append(f"The slowest canary waited {1000 * race.worst_canary:.0f} ms for its response.")
    return " ".join([*parts, *startup_sentence(race.startup)])


def _none_answered(race: Race) -> str:
    met = [r.error or (f"status {r.status}" if r.status else "no response") for r in race.requests]
    what = ", ".join(dict.fromkeys(met))
    text = f"{race.name}: none of the {len(race.requests)} requests got a successful response ({what})."
    if what == "status 404":
        text += f" {os.path.basename(race.file)} has no such path: run the %%app cell of this race again."
    return text


def _loop(race: Race) -> str:
    if worst := race.worst_block:
        return f"The event loop was {race.lane}, most of it by {worst.quoted_cause}."
    if race.lane == "free":
        return "The event loop stayed free."
    machine = ": the machine was busy" if race.cpu_wait_seconds >= CPU_WAIT_MIN_S else ""
    return f"The event loop was {race.lane}{machine}."


def startup_blocks(reports: Iterable[Iteration], file: str | Path) -> list[Blocked]:
    """Return what blocked the loop before the app in ``file`` was ready, from the ``reports`` on its iterations until then.

    The lifespan itself and the libraries may block, because nothing is served yet. What remains are tasks that the app has
    started: they delay the first request, which no race would show.
    """
    folder = os.path.dirname(os.path.realpath(file)) + os.sep
    found = []
    for report in reports:
        # frozen modules, and code compiled from strings, have file names that aren't paths
        tasks = [place for place in report.where if os.path.isabs(place.file) and not place.lifespan]
        places = [place for place in tasks if os.path.realpath(place.file).startswith(folder)]
        seconds = sum(place.seconds for place in places)
        if seconds >= ACCUSED_FROM:
            place = places[0]
            names = ("file", "line", "code", "function", "callee", "collection")
            in_app = os.path.realpath(place.file) == os.path.realpath(file)
            found.append(Blocked(0.0, seconds, 0.0, **{name: getattr(place, name) for name in names}, in_app=in_app))
    return found


def startup_sentence(blocks: list[Blocked]) -> list[str]:
    """Return the result of `startup_blocks` as a list of at most one sentence."""
    if not blocks:
        return []
    worst = max(blocks, key=lambda block: block.seconds)
    seconds = sum(block.seconds for block in blocks)
    return [
        f"Before the app was ready, a task that it starts blocked the loop for {seconds:.2f} s, most of it by {worst.quoted_cause}: "
        "no request could be served until then."
    ]
