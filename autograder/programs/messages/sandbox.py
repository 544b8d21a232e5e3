"""Orders to the forkserver, and what its forks say of themselves, between `autograder.sandbox.launcher` and forkserver.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from . import Message


@dataclass(frozen=True)
class Limits(Message):
    """Limits of a process, and where there are namespaces of all processes of an app together; None for no limit.

    Args:
        memory: In bytes.
        disk: In bytes: of the writable place, and of one file.
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
        environment: All of its environment.
        ports: Ports of loopback on which services listen in the sandbox.
        aliases: {path: the name under which it lies in the sandbox} of folders.
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
    """Answer with `ForkserverReady`: so the owner sees that the forkserver is well."""

    kind: ClassVar[str] = "are you ready"


@dataclass(frozen=True)
class Sweep(Message):
    """Kill what programs have left behind, and answer with `ForkserverReady`."""

    kind: ClassVar[str] = "sweep"


ForkserverOrder = StartProgram | AreYouReady | Sweep
FORKSERVER_ORDERS: tuple[type[ForkserverOrder], ...] = get_args(ForkserverOrder)


@dataclass(frozen=True)
class ForkserverReady(Message):
    """The forkserver has imported what it needs, or has carried out an order."""

    kind: ClassVar[str] = "ready"


@dataclass(frozen=True)
class SandboxBuilt(Message):
    """From a sandbox's first process: the sandbox is there.  The listeners of its services come with it."""

    kind: ClassVar[str] = "sandbox"


@dataclass(frozen=True)
class ProgramStarts(Message):
    """From the program's own process, before anything of the learner's runs in it."""

    kind: ClassVar[str] = "app"


@dataclass(frozen=True)
class ProgramFailed(Message):
    """The program could not be started."""

    kind: ClassVar[str] = "failed"
    why: str


@dataclass(frozen=True)
class ProgramEnded(Message):
    """From a sandbox's first process: the program has ended with this exit code."""

    kind: ClassVar[str] = "ended"
    code: int


Introduction = SandboxBuilt | ProgramStarts | ProgramFailed | ProgramEnded
INTRODUCTIONS: tuple[type[Introduction], ...] = get_args(Introduction)
