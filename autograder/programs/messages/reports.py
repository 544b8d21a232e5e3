"""What the process that serves an app reports, from serve_app.py and loop_watchdog.py to `autograder.lab.server`.

The app shares that process and may forge reports, so `autograder.lab.reports` limits what it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from . import Message

Phase = Literal["import", "startup", "serving"]
Stage = Literal["syntax", "import", "no app", "not an app", "startup"]
Collection = Literal["", "explicit", "automatic"]


@dataclass(frozen=True)
class Place(Message):
    """A line that was running, or that an exception came through.

    Args:
        line: 0 if no line is known.
        callee: The Python function that the line had called, if any.
        collection: Whether it was a garbage collection: "explicit" for a call of ``gc.collect()``, "automatic" for any other.
        lifespan: True in the app's start-up, before anything is served.
        seconds: How long it ran, as far as samples show.
    """

    file: str = ""
    line: int = 0
    code: str = ""
    function: str = ""
    callee: str = ""
    collection: Collection = ""
    lifespan: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Ready(Message):
    """Requests are served from now on.

    Args:
        port: On loopback; None for an app on a Unix socket.
        threads: Ids of the threads in the process that aren't the app's: the lifeline's and the watchdog's.
        stacks: True if SIGUSR2 makes the process write its stacks.
    """

    kind: ClassVar[str] = "ready"
    port: int | None
    threads: list[int]
    stacks: bool


@dataclass(frozen=True)
class Here(Message):
    """The answer to a byte on the lifeline: all earlier reports have been written."""

    kind: ClassVar[str] = "here"
    question: int


@dataclass(frozen=True)
class Iteration(Message):
    """One long iteration of the event loop.

    Args:
        start: The moment at which it began.
        end: The moment at which it ended, or now.
        over: False while it's still running.
        waited: Seconds for which the loop thread waited for a CPU.
        threads_waited: Seconds for which it waited for threads that it had started while these waited for a CPU.
        paged: Seconds for which it waited for pages of memory, at most.
        modules: How many modules the process has imported.
        tasks: How many asyncio tasks ran in it.
        longest_task: Seconds for which the longest of these tasks ran.
        longest_collection: Seconds of the longest garbage collection.
        where: The places at which it spent most time, in descending order.
    """

    kind: ClassVar[str] = "iteration"
    start: float
    end: float
    over: bool = True
    waited: float = 0.0
    threads_waited: float = 0.0
    paged: float = 0.0
    phase: Phase = "serving"
    modules: int = 0
    tasks: int = 0
    longest_task: float = 0.0
    longest_collection: float = 0.0
    where: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class ThreadCpu(Message):
    """A thread other than the loop's has computed for ``seconds`` at one place."""

    kind: ClassVar[str] = "thread cpu"
    seconds: float
    where: list[Place]


@dataclass(frozen=True)
class GilHeld(Message):
    """Another thread held the GIL from ``start`` to ``end``, and waited for a CPU for ``waited`` seconds of it."""

    kind: ClassVar[str] = "gil held"
    start: float
    end: float
    waited: float
    where: list[Place]


@dataclass(frozen=True)
class StartFailed(Message):
    """The app can't be served: the stage in which it failed, and the exception (or what there is instead of an app).

    ``others`` are the names of other variables that could be an app; ``where`` are lines of the file, innermost last.
    """

    kind: ClassVar[str] = "failed"
    stage: Stage
    type: str = ""
    message: str = ""
    where: list[Place] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RequestFailed(Message):
    """A request to ``path`` ended in an exception; ``where`` are lines of the app's file, innermost last."""

    kind: ClassVar[str] = "error"
    path: str
    type: str
    message: str
    where: list[Place]


@dataclass(frozen=True)
class PythonWarning(Message):
    """A RuntimeWarning from Python, and its line."""

    kind: ClassVar[str] = "warning"
    message: str
    where: list[Place]


Report = Ready | Here | Iteration | ThreadCpu | GilHeld | StartFailed | RequestFailed | PythonWarning
REPORTS: tuple[type[Report], ...] = get_args(Report)
