"""Orders to the load generator and events of a race, between `autograder.lab.load_generator_client` and load_generator.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from . import Message, MessageError

RUNNING, PAGE_FAULT, SYSCALL = "running", "page fault", "system call"
LoopState = Literal["running", "page fault", "system call"]


@dataclass(frozen=True)
class RaceRequest(Message):
    """One request of a race.

    Args:
        key: Its number in the race.
        json: The body, as JSON; None for none.
        at: Seconds after the start at which it's sent.
        on_order: True if it's only sent when `Send` comes.
    """

    key: int
    method: str
    path: str
    headers: dict[str, str] | None = None
    json: Any = None
    at: float = 0.0
    on_order: bool = False


@dataclass(frozen=True)
class StartRace(Message):
    """Run a race: send the requests together, with canaries one after the other during them.

    Args:
        race: The race's number, which all its events repeat.
        base: URL of the app.
        socket: Path of the Unix socket that the app listens on, or None.
        canary: Path that canaries request, or None for no canaries.
        canary_every: Seconds between a canary's response and the next canary.
        limit: Seconds after which requests without a response are given up.
        pid: The app's process, if its threads are to be sampled, else None.
        epoll: File descriptor of the epoll instance with which the app's loop waits for work, if known.
        after: The number of canaries for which the app is watched after the last response.
    """

    kind: ClassVar[str] = "race"
    race: int
    base: str
    socket: str | None
    requests: list[RaceRequest]
    canary: str | None
    canary_every: float
    limit: float
    pid: int | None = None
    epoll: int | None = None
    after: int = 0


@dataclass(frozen=True)
class Cancel(Message):
    """End the running race."""

    kind: ClassVar[str] = "cancel"


@dataclass(frozen=True)
class Send(Message):
    """Send the request of the running race with this ``key``, which waits for the order."""

    kind: ClassVar[str] = "send"
    key: int


@dataclass(frozen=True)
class Guard(Message):
    """Kill this process group when the owner has ended."""

    kind: ClassVar[str] = "guard"
    pid: int


@dataclass(frozen=True)
class Unguard(Message):
    """Stop guarding this process group, because it's being ended."""

    kind: ClassVar[str] = "unguard"
    pid: int


RaceOrder = StartRace | Cancel | Send | Guard | Unguard
RACE_ORDERS: tuple[type[RaceOrder], ...] = get_args(RaceOrder)


@dataclass(frozen=True)
class LoopSample(Message):
    """One observation of the loop thread of a served app, from outside.

    Args:
        time: The moment at which it was taken.
        cpu: CPU time of the loop thread so far.
        waited: Time that the loop thread has waited for a CPU so far.
        slices: How many time slices it has had. If the number is the same in two samples, it didn't run in between.
        state: `RUNNING` (or ready to run), `PAGE_FAULT` (asleep until the kernel has read a page of memory, and in no system
            call), or `SYSCALL` (asleep in one).
        syscall: The number of that system call, else None.
        argument: The first argument of that system call, else None: for a wait on a file descriptor, the descriptor.
        others: [CPU time, time waiting for a CPU] of the other threads whose times have changed, by thread id.
        generator_waited: Time that the load generator itself has waited for a CPU so far.
        children: Time that each child process has waited for a CPU, by process id, the newest last, if the loop thread is in
            ``read`` or waits for a lock, or did in the sample before; else None.
    """

    time: float
    cpu: float
    waited: float
    slices: int
    state: LoopState
    syscall: int | None
    argument: int | None
    others: dict[str, list[float]]
    generator_waited: float
    children: dict[str, float] | None = None

    @property
    def call(self) -> str:
        """The system call in which it sleeps, as text that can be compared: "232 0x5". Otherwise "running" or "page fault"."""
        return self.state if self.state != SYSCALL else f"{self.syscall} {self.argument:#x}"

    def to_wire(self) -> dict[str, Any]:
        """Return the fields by name. There are hundreds of samples a second, so they're only checked where they're read."""
        return dict(vars(self))

    def check(self) -> None:
        """Raise `MessageError` unless a system call has a number, and each thread two times."""
        if self.state == SYSCALL and (self.syscall is None or self.argument is None):
            raise MessageError("a system call has a number and an argument")
        for pair in self.others.values():
            if len(pair) != 2:
                raise MessageError("a thread has two times")


@dataclass(frozen=True)
class EventOfRace(Message):
    """What the events of a race have in common: its number."""

    race: int


@dataclass(frozen=True)
class RaceStarted(EventOfRace):
    """The race begins at the moment ``t``. ``elsewhere`` is the number of connections that the app's loop doesn't poll."""

    kind: ClassVar[str] = "started"
    t: float
    elsewhere: int = 0


@dataclass(frozen=True)
class RequestSent(EventOfRace):
    """A request was sent at the moment ``t``."""

    kind: ClassVar[str] = "sent"
    key: int
    t: float


@dataclass(frozen=True)
class RequestDone(EventOfRace):
    """A request has its response, or ended in an ``error``, at the moment ``t``."""

    kind: ClassVar[str] = "done"
    key: int
    t: float
    status: int | None
    error: str | None
    body: str


@dataclass(frozen=True)
class CanarySent(EventOfRace):
    """A canary was sent at the moment ``t``."""

    kind: ClassVar[str] = "canary sent"
    t: float


@dataclass(frozen=True)
class CanaryDone(EventOfRace):
    """A canary is over. ``waited`` is for how many seconds the load generator itself waited for a CPU meanwhile."""

    kind: ClassVar[str] = "canary done"
    start: float
    end: float
    waited: float
    answered: bool


@dataclass(frozen=True)
class LoopAsleep(EventOfRace):
    """The loop thread has slept from ``start`` to ``end`` in one ``call`` (see `LoopSample.call`), and still sleeps."""

    kind: ClassVar[str] = "asleep"
    start: float
    end: float
    call: str


@dataclass(frozen=True)
class RaceEnded(EventOfRace):
    """The race ended at the moment ``t``. It's the last event, with all samples."""

    kind: ClassVar[str] = "ended"
    t: float
    samples: list[LoopSample]


@dataclass(frozen=True)
class RaceBroken(EventOfRace):
    """The race couldn't be run."""

    kind: ClassVar[str] = "broken"
    problem: str


RaceEvent = RaceStarted | RequestSent | RequestDone | CanarySent | CanaryDone | LoopAsleep | RaceEnded | RaceBroken
RACE_EVENTS: tuple[type[RaceEvent], ...] = get_args(RaceEvent)


def poll_descriptor(call: str | None) -> int | None:
    """Return the file descriptor of the epoll instance in a `LoopSample.call` in which a loop waits for work, or None."""
    number, _, argument = (call or "").partition(" ")
    return int(argument, 16) if number.isdigit() and argument else None


def parse_syscall(text: bytes) -> tuple[LoopState, int | None, int | None]:
    """Return (state, number, first argument) from the text of ``/proc/<pid>/task/<tid>/syscall``.

    The number is -1 for a thread that sleeps outside system calls: it waits for a page of memory.
    """
    words = text.split()
    if words[0] == b"running":
        return "running", None, None
    if words[0] == b"-1":
        return "page fault", None, None
    argument = int(words[1], 16)
    # a register: newer C libraries extend AT_FDCWD (-100), with which `open` names the working directory, to 64 bits
    return "system call", int(words[0]), argument - (1 << 64) if argument >> 63 else argument
