"""Messages that cross a pipe between our own processes, with named fields, used by the side that writes and the side that reads.

Each is one JSON object.  `from_wire` checks every field and raises `ValueError` for anything else: what arrives is then as good
as what was made here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

RUNNING, PAGE_FAULT, SYSCALL = "running", "page fault", "system call"
STATES = (RUNNING, PAGE_FAULT, SYSCALL)


@dataclass(frozen=True)
class LoopSample:
    """One observation of the loop thread of a served app, from outside.  Times are seconds.

    Args:
        time: When it was taken, on the clock that all processes of a machine share.
        cpu: CPU time of the loop thread so far.
        waited: Time that the loop thread has waited for a CPU so far.
        slices: How many time slices it has had.  If it had none between two samples, it did not run in between.
        state: `RUNNING` (or ready to run), `PAGE_FAULT` (asleep until the kernel has brought a page of memory; it is in no
            system call), or `SYSCALL` (asleep in one).
        syscall: The number of that system call, else None.
        argument: The first argument of that system call, else None: for a wait on a file descriptor, the descriptor.
        others: [CPU time, time waiting for a CPU] of those other threads for which they have changed, by thread id.
        generator_waited: Time that the load generator itself has waited for a CPU so far.
        children: Time that each child process has waited for a CPU, by process id, if the loop thread is in ``read``, or just
            was; else None.
    """

    time: float
    cpu: float
    waited: float
    slices: int
    state: str
    syscall: int | None
    argument: int | None
    others: dict[str, list[float]]
    generator_waited: float
    children: dict[str, float] | None = None

    @property
    def call(self) -> str:
        """What it sleeps in, as text that can be compared: "232 0x5", or "running" or "page fault"."""
        return self.state if self.state != SYSCALL else f"{self.syscall} {self.argument:#x}"

    def to_wire(self) -> dict[str, object]:
        """Return the fields by name, for JSON."""
        return dict(vars(self))

    @classmethod
    def from_wire(cls, fields: dict[str, object]) -> LoopSample:
        """Return the sample that was written as ``fields``.  Raises `ValueError` unless each field is as it must be."""
        try:
            sample = cls(**fields)  # type: ignore[arg-type]
        except TypeError as problem:
            raise ValueError(f"not a sample: {problem}") from None
        numbers = [sample.time, sample.cpu, sample.waited, sample.generator_waited, *(sample.children or {}).values()]
        for pair in sample.others.values():
            if len(pair) != 2:
                raise ValueError("a thread has two times")
            numbers += pair
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise ValueError("a time is not a number")
        if sample.state not in STATES or type(sample.slices) is not int:
            raise ValueError("not a state")
        if sample.state == SYSCALL and not (type(sample.syscall) is int and type(sample.argument) is int):
            raise ValueError("a system call has a number and an argument")
        return sample


def poll_descriptor(call: str | None) -> int | None:
    """Return the file descriptor of the epoll object in a `LoopSample.call`, in which a loop waits for work."""
    number, _, argument = (call or "").partition(" ")
    return int(argument, 16) if number.isdigit() and argument else None


def parse_syscall(text: bytes) -> tuple[str, int | None, int | None]:
    """Return (state, number, first argument) of what Linux says in ``/proc/<pid>/task/<tid>/syscall``.

    A thread that sleeps in no system call has the number -1 there: it waits for a page of memory.
    """
    words = text.split()
    if words[0] == b"running":
        return RUNNING, None, None
    if words[0] == b"-1":
        return PAGE_FAULT, None, None
    return SYSCALL, int(words[0]), int(words[1], 16)
