"""Orders to the forkserver, and introductions of its forks, between `autograder.sandbox.launcher` and forkserver.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from . import Message


@dataclass(frozen=True)
class Limits(Message):
    """The limits of a process and, at the level ``namespaces``, of all processes of an app together; None for no limit.

    Args:
        memory: In bytes.
        disk: In bytes: of the writable folder, and of one file.
        processes: Of the app's user, threads included.
        together: Processes of one sandbox.
        cpu: Seconds.
    """

    memory: int
    disk: int
    processes: int | None
    together: int
    open_files: int
    cpu: int


@dataclass(frozen=True)
class StartProgram(Message):
    """Start the program ``name`` in ``folder``.

    Args:
        environment: Its whole environment.
        ports: Ports of loopback on which services listen in the sandbox.
        aliases: {path: the path under which it's mounted in the sandbox} of folders.
    """

    kind: ClassVar[str] = "start"
    folder: str
    name: str
    environment: dict[str, str]
    ports: list[int]
    aliases: dict[str, str]
    limits: Limits


@dataclass(frozen=True)
class AreYouReady(Message):
    """Answer with `ForkserverReady`, so that the owner can check that the forkserver works."""

    kind: ClassVar[str] = "are you ready"


@dataclass(frozen=True)
class Sweep(Message):
    """Kill the processes that programs have left behind, and answer with `ForkserverReady`."""

    kind: ClassVar[str] = "sweep"


ForkserverOrder = StartProgram | AreYouReady | Sweep
FORKSERVER_ORDERS: tuple[type[ForkserverOrder], ...] = get_args(ForkserverOrder)


@dataclass(frozen=True)
class ForkserverReady(Message):
    """The forkserver has imported what it needs, or has carried out an order."""

    kind: ClassVar[str] = "ready"


@dataclass(frozen=True)
class SandboxBuilt(Message):
    """From a sandbox's first process: the sandbox is ready. The listeners of its services come with the message."""

    kind: ClassVar[str] = "sandbox"


@dataclass(frozen=True)
class ProgramStarts(Message):
    """From the program's own process, before any of the learner's code runs in it."""

    kind: ClassVar[str] = "app"


@dataclass(frozen=True)
class ProgramFailed(Message):
    """The program couldn't be started."""

    kind: ClassVar[str] = "failed"
    why: str


@dataclass(frozen=True)
class ProgramEnded(Message):
    """From a sandbox's first process: the program has ended with this exit code."""

    kind: ClassVar[str] = "ended"
    code: int


Introduction = SandboxBuilt | ProgramStarts | ProgramFailed | ProgramEnded
INTRODUCTIONS: tuple[type[Introduction], ...] = get_args(Introduction)
