"""A race: N requests sent together, canaries during them, and what is known about it afterwards."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from autograder.lab import timeline
from autograder.lab.predictions import Prediction
from autograder.lab.timeline import short

BLOCKED_FROM = 0.020  # s of attributed lag; below it are the turns of healthy apps (see docs/verdicts.md)
ACCUSED_FROM = 0.1  # s of attributed lag: a line that held the loop so long is named, however busy the machine
NOBODY = "something that left no trace"  # a call that keeps the GIL keeps the watch from looking, too
MOST = 5000  # reports of one kind that are kept of a race


@dataclass
class Request:
    """One request of a race.  Times in seconds since the race began; ``end`` is None while it is under way."""

    key: int
    path: str
    method: str = "GET"
    start: float | None = None
    end: float | None = None
    status: int | None = None
    error: str | None = None
    body: str = ""

    @property
    def seconds(self):
        return None if self.end is None or self.start is None else self.end - self.start

    @property
    def route(self):
        """The path without its query."""
        return self.path.split("?")[0]

    @property
    def ok(self):
        return self.status is not None and self.status < 400 and not self.error


@dataclass
class Canary:
    """A cheap request that shows whether the loop still answers; ``waited`` is the racer's own CPU queueing."""

    LATE: ClassVar = 0.05  # s: one that is under way for longer is late, and drawn so

    start: float
    end: float | None = None
    waited: float = 0.0
    answered: bool = False


@dataclass
class Blocked:
    """A stretch in which the loop answered nobody: seconds since the race began, and who held it.

    ``seconds`` leaves out ``waited``, the time in which the loop thread stood in the queue for a CPU:
    that is the neighbours' doing.  ``line`` is 0 where no line of the learner's was on the stack.
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
    thread: tuple = ()  # (line, code) of the app's own in a thread that computed meanwhile and kept the loop waiting

    @property
    def seconds(self):
        return max(self.end - self.start - self.waited, 0.0)

    @property
    def queued(self):
        """True if most of it was the queue for a CPU, and the rest is too short to name somebody for it."""
        return self.waited > self.seconds and self.seconds < ACCUSED_FROM

    @property
    def cause(self):
        """What blocked, as learners say it: ``time.sleep(0.2)`` in line 9."""
        return self.cause_in(None)

    def cause_in(self, room):
        """The same in ``room`` letters: long code is cut, the number of its line is not."""
        if self.thread:
            where = f" in line {self.thread[0]}, in a thread"
            return short(self.thread[1], room and room - len(where)) + where
        if self.function == "Thread.start":
            return short("the start of threads", room)
        if self.in_app and self.line:
            where = f" in line {self.line}"
            return short(self.code, room and room - len(where)) + where
        return short(f"{self.function} in {os.path.basename(self.file)}" if self.function else NOBODY, room)

    @property
    def place(self):
        """Where it blocked: ``line 9, in pause, in shop.py``."""
        return f"line {self.line}, in {self.function}, in {os.path.basename(self.file)}"


@dataclass(repr=False)
class Race:
    """What a race showed.  All times are seconds since it began."""

    title: str
    file: str
    requests: list[Request]
    canaries: list[Canary] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    errors: list[dict] = field(default_factory=list)
    samples: list[list] = field(default_factory=list)
    elsewhere: int = 0  # connections that are not the business of the app's loop
    asleep: tuple | None = None  # (start, end, call): the newest long sleep of the loop thread in one system call
    watchers: list[int] = field(default_factory=list)  # ids of the host's own threads
    found: Counter = field(
        default_factory=Counter
    )  # turns in which the loop was found in a line of the app: (line, code)
    busy: Counter = field(default_factory=Counter)  # CPU seconds of other threads, by (line, code, function, file)
    began: float | None = None
    end: float | None = None
    pending_block: Blocked | None = None
    prediction: Prediction | None = None
    mixed: bool = False  # the requests went to different places: comparing them with each other says nothing
    held: bool = False  # replies were held back for different times: comparing the requests says nothing
    turn_ended: float | None = None  # when the newest turn of the loop that is over began

    @property
    def name(self):
        """What was raced, and against which file: ``cafe.py, /coffee``."""
        return f"{os.path.basename(self.file)}, {self.title}"

    @property
    def seconds(self):
        """From the first request sent to the last answered."""
        return max((r.end for r in self.requests if r.end is not None), default=0.0)

    @property
    def quickest(self):
        done = [r for r in self.requests if r.seconds is not None]
        return min((r.seconds for r in [r for r in done if r.ok] or done), default=0.0)

    @property
    def ratio(self):
        """How many times the quickest request all of them together took."""
        return self.seconds / self.quickest if self.quickest else 0.0

    @property
    def loop_lag(self):
        """The longest hatched stretch in the lane of the loop, in milliseconds by the clock."""
        pieces = timeline.merged([(block.start, block.end - block.start) for block in self.blocked])
        return 1000 * max((seconds for _, seconds in pieces), default=0.0)

    @property
    def worst_block(self):
        """The longest of ``blocked``, or None if the loop was never blocked."""
        return max(self.blocked, key=lambda b: b.seconds, default=None)

    @property
    def culprit(self):
        """The longest block that somebody is named for, or None if all were little more than the queue for a CPU."""
        return max((block for block in self.blocked if not block.queued), key=lambda b: b.seconds, default=None)

    @property
    def lane(self):
        """What the lane of the loop shows, in words: what blocked is told by `culprit`."""
        return self.blocked_text(self.blocked) if self.blocked else self.loop_state

    @property
    def loop_state(self):
        """The state of the loop in a few words, for when it was never blocked."""
        late = any(c.end is not None and c.end - c.start - c.waited >= Canary.LATE for c in self.canaries)
        return "never blocked for long, but busy" if late else "free"

    @property
    def blocked_seconds(self):
        return sum(b.seconds for b in self.blocked)

    @property
    def worst_canary(self):
        return max((c.end - c.start for c in self.canaries if c.end is not None), default=0.0)

    def picture(self, now=None):
        """The figure of the race; ``now`` (seconds since it began) while it is still running."""
        return timeline.draw(self, now)

    @property
    def sentence(self):
        """What the picture shows, in words."""
        return sentence(self)

    @staticmethod
    def blocked_text(blocks, aside=True):
        """How long the loop answered nobody, in words; ``aside`` adds how much was the neighbours' doing, if that was much."""
        wall = sum(block.end - block.start for block in blocks)
        queued = wall - sum(block.seconds for block in blocks)
        much = aside and queued > wall / 5
        return f"blocked for {wall:.2f} s" + (f" ({queued:.2f} s of it in the queue for a CPU)" if much else "")

    def __repr__(self):
        return f"<Race: {self.sentence}>"

    def apply(self, event):
        """Take in one event of the racer or one report of the served process."""
        kind = event["event"]
        if kind == "start":
            self.began = event["t"]
            self.elsewhere = event.get("elsewhere", 0)
            for request in self.requests:
                request.start = None
        elif kind == "sent":
            self.requests[event["key"]].start = event["t"] - self.began
        elif kind == "done":
            request = self.requests[event["key"]]
            request.end = event["t"] - self.began
            request.status, request.error, request.body = event["status"], event["error"], event["body"]
        elif kind == "canary sent" and self.began is not None:
            self.canaries.append(Canary(event["t"] - self.began))
        elif kind == "canary" and self.began is not None:
            start = event["start"] - self.began
            if not self.canaries or self.canaries[-1].end is not None:
                self.canaries.append(Canary(start))
            canary = self.canaries[-1]
            canary.end, canary.waited, canary.answered = event["end"] - self.began, event["waited"], event["answered"]
        elif kind in ("turn", "late") and self.began is not None and event["end"] > self.began:
            self._take_turn(event, ended=kind == "turn")
        elif kind == "busy" and event["where"]:
            place = event["where"][0]
            self.busy[place["line"], place["code"], place["function"], place["file"]] += event["seconds"]
        elif kind == "error" and len(self.errors) < MOST:
            self.errors.append(event)
        elif kind == "asleep" and self.began is not None:
            self.asleep = (event["start"] - self.began, event["end"] - self.began, event["call"])
        elif kind == "end":
            self.end = event["t"] - self.began
            self.samples = event["samples"]

    def _take_turn(self, event, ended):
        if self.end is not None and event["start"] - self.began > self.end:
            return
        places = event.get("where") or []
        place = places[0] if places else {}  # the most seen
        block = Blocked(
            start=max(event["start"] - self.began, 0.0),
            end=event["end"] - self.began,
            waited=event.get("waited", 0.0),
            file=place.get("file", ""),
            line=place.get("line", 0),
            code=place.get("code", ""),
            function=place.get("function", ""),
            callee=place.get("callee", ""),
            in_app=place.get("file") == self.file,
        )
        if not ended:
            # the watch and the loop report from different threads: this turn may be over already, and be counted
            if self.turn_ended is None or event["start"] > self.turn_ended:
                self.pending_block = block
            return
        self.pending_block, self.turn_ended = None, event["start"]
        if len(self.found) < MOST:
            self.found.update((place["line"], place["code"]) for place in places if place["file"] == self.file)
        if block.seconds >= BLOCKED_FROM and len(self.blocked) < MOST:
            self.blocked.append(block)

    def blame_threads(self):
        """Name the thread that computed, where the loop stood in a line that itself only waits.

        Only one thread of a process runs Python at a time.  A line that awaits, or one of asyncio's own, cannot hold a loop
        for long; a thread of the app's can, and the host has told how long each of them computed.
        """
        place, spent = max(self.busy.items(), key=lambda item: item[1], default=(None, 0.0))
        for block in self.blocked:
            waits = not block.in_app or "await " in block.code
            if place and waits and spent >= block.seconds / 2 and place[3] == self.file:
                block.thread = place[:2]

    def settle(self):
        """The race is over: a block that still goes on counts as far as it was seen."""
        if self.pending_block is not None and self.pending_block.seconds >= BLOCKED_FROM:
            self.blocked.append(self.pending_block)
        self.pending_block = None


def sentence(race):
    """One or two sentences that say what the picture of a race shows."""
    answered = [r for r in race.requests if r.ok]
    n = len(race.requests)
    if race.end is None:
        return f"{race.name}: not finished, {len(answered)} of {n} requests were answered."
    if not answered:
        met = [r.error or (f"status {r.status}" if r.status else "no answer") for r in race.requests]
        what = ", ".join(dict.fromkeys(met))
        text = f"{race.name}: none of the {n} requests got a good answer ({what})."
        if what == "status 404":
            text += f" {os.path.basename(race.file)} has no such path: run the %%app cell of this race again."
        return text
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
    if race.blocked:
        most = (
            "most of the rest" if sum(block.waited for block in race.blocked) > race.blocked_seconds else "most of it"
        )
        by = f", {most} by {race.culprit.cause}" if race.culprit else ": the machine was busy"
        parts.append(f"The event loop was {race.lane}{by}.")
    elif race.loop_state == "free":
        parts.append("The event loop stayed free.")
    else:
        parts.append(f"The event loop was {race.loop_state}.")
    if race.prediction and race.prediction.seconds is not None:
        parts.append(f"You predicted {race.prediction}.")
    if race.canaries:
        parts.append(f"The slowest canary waited {1000 * race.worst_canary:.0f} ms for its answer.")
    return " ".join(parts)
