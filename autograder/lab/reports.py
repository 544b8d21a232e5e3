"""Reads the reports of an app's process.

The process also runs the learner's code, so its reports aren't trusted: what isn't exactly one of the known messages is
dropped, and the values of the others are bounded.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from autograder.programs.messages import Message, MessageError, decode
from autograder.programs.messages.reports import REPORTS, Place, Ready, Report

TEXT_LIMIT = 2000
LIST_LIMIT = 10
DURATIONS = {"seconds", "waited", "threads_waited", "paged", "longest_task", "longest_collection"}  # fields in seconds
FLOOD_LINES = 2000  # lines without a break; an app whose loop is always late sends a few hundred a second
FLOOD_BYTES = 2 << 20  # bytes without a break
FLOOD_FORGERIES = 200  # lines in all that aren't reports: the watchdog writes none
WITHHELD = Place(code="a line that the exercise asks you to find")  # instead of the lines of an app that aren't named
FLOODED = (
    "The app's process sent a flood of messages through the channel on which the course watches "
    "it, and was ended. An app never needs that channel: does your code write to file descriptors that it didn't open?"
)


class FloodMeter:
    """Detects output that arrives faster than it can be read, and is more than the watchdog ever reports.

    It needs no clock, because on a busy machine an app and its reader are both slow.
    """

    def __init__(self) -> None:
        self._lines = self._bytes = self._forgeries = 0

    def forged(self) -> bool:
        """Count a line that isn't a report; return True if there are too many."""
        self._forgeries += 1
        return self._forgeries > FLOOD_FORGERIES

    def floods(self, size: int, more: bool) -> bool:
        """Count a line of ``size`` bytes; ``more`` says whether the next one is already there. Return True if it's a flood."""
        self._lines += 1
        self._bytes += size
        too_many = self._lines > FLOOD_LINES or self._bytes > FLOOD_BYTES
        if not more:
            self._lines = self._bytes = 0
        return too_many


def parse(line: bytes) -> Report | None:
    """Return the report in a line, with bounded values, or None if it isn't one of the known messages."""
    try:
        report: Report = decode(line, *REPORTS)
    except MessageError:
        return None
    if isinstance(report, Ready) and report.port is not None and not 0 < report.port < 65536:
        return None
    return _bounded(report)


def _bounded(message: Any) -> Any:
    """Return a message with short, printable texts, short lists, and durations that aren't negative."""
    return replace(message, **{name: _bound(name, value) for name, value in vars(message).items()})


def _bound(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_bound("", each) for each in value[:LIST_LIMIT]]
    if isinstance(value, Message):
        return _bounded(value)
    if name in DURATIONS:
        return max(value, 0.0)
    return value


def _text(value: str) -> str:
    # texts may be printed later: no lone surrogates, and no control characters, which a terminal would execute
    clean = value[:TEXT_LIMIT].encode("utf-8", "replace").decode()
    return clean if clean.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in clean)


STACK_LINES_LIMIT = 1000  # lines of a stack dump that are kept
_FRAME = re.compile(rb'  File "(.{1,1000})", line (\d{1,9}) in (.{1,200})\n?')


class StackDump:
    """Collects what faulthandler writes between the reports: the stack of each thread, innermost frame first."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def take(self, line: bytes) -> None:
        """Add a line that isn't a report."""
        if len(self._lines) < STACK_LINES_LIMIT:
            self._lines.append(line)

    def main_thread(self, program: str) -> list[Place]:
        """Return the frames (``file``, ``line``, ``function``) of the thread that runs ``program``; [] if it isn't complete yet."""
        threads: list[list[Place]] = [[]]
        for line in list(self._lines):
            found = _FRAME.fullmatch(line)
            if found:
                file, number, function = found.groups()
                name = _text(function.decode(errors="replace"))
                threads[-1].append(Place(_text(file.decode(errors="replace")), int(number), function=name))
            else:
                threads.append([])
        ours = (frames for frames in threads if any(_is_main(frame, program) for frame in frames))
        return next(ours, [])


def _is_main(frame: Place, program: str) -> bool:
    return frame.file.endswith(program) and frame.function == "main"
