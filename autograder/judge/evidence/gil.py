"""CPU time that the app's other threads took from its loop by holding the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.judge.evidence.samples import other_threads_cpu_s, samples_near

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample

# s of attributed stall: exercises block for longer, and no correct app was ever measured at half of it
STALL_MIN_S = 0.020
GIL_STARVATION_MIN_S = 0.020  # CPU s that other threads may spend while the loop waits for the GIL
# share of all their CPU time: next to threads that release the GIL, it was never measured at a hundredth
GIL_STARVATION_MIN_SHARE = 0.05


def gil_wait_s(samples: list[ThreadSample], poll_call: str | None) -> tuple[float, float]:
    """Return (CPU seconds that other threads spent while the loop waited for the GIL, all CPU seconds that they spent).

    A thread that waits for the GIL sleeps outside ``poll_call`` and wakes every few milliseconds to request it, so its number
    of time slices grows. A blocking call that waits for a thread sleeps without waking, and counts as a stall of its own.
    """
    spent = lost = 0.0
    index = 0
    while index < len(samples):
        first = last = samples[index]
        while index + 1 < len(samples) and (samples[index + 1].slices, samples[index + 1].call) == (
            first.slices,
            first.call,
        ):
            index += 1
            last = samples[index]
        index += 1
        wanted = first.call not in ("running", poll_call)
        seconds = other_threads_cpu_s(first, last)
        spent += seconds
        if wanted and last.time - first.time < STALL_MIN_S:
            lost += min(seconds, last.time - first.time)
        if index < len(samples):
            after = samples[index]
            seconds = other_threads_cpu_s(last, after)
            spent += seconds
            # between a request for the GIL and a wait for a CPU, or back: each request lasts five milliseconds
            asks = wanted or after.call not in ("running", poll_call)
            if asks and poll_call not in (first.call, after.call):
                lost += min(seconds, after.time - last.time)
    return lost, spent


def gil_starvation_s(samples: list[ThreadSample], poll_call: str | None) -> float:
    """Return the CPU seconds that other threads took from the loop by holding the GIL; 0.0 if that is no more than usual."""
    if poll_call is None:
        return 0.0
    lost, spent = gil_wait_s(samples, poll_call)
    return lost if lost >= GIL_STARVATION_MIN_S and lost >= GIL_STARVATION_MIN_SHARE * spent else 0.0


def gil_held_between(
    samples: list[ThreadSample], poll_call: str | None, start: float, end: float, seconds: float
) -> bool:
    """Return True if another thread computed during most of a stall of ``seconds`` attributed seconds."""
    if poll_call is None or not samples:
        return False
    return gil_wait_s(samples_near(samples, start, end), poll_call)[0] >= seconds / 2
