"""Reads what the host reports.  The host shares its process with the learner's code, so nothing is trusted:
a report has one of the known shapes, with plain and finite values, or it is dropped."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any


TEXT_LIMIT = 2000
FLOOD_LINES = 2000  # lines that came without a break; an app whose loop is always late makes a few hundred a second
FLOOD_BYTES = 2 << 20  # bytes that came without a break
FLOOD_FORGERIES = 200  # lines that are no reports, in all: the watchdog writes none
FLOODED = (
    "The app's process sent a flood of messages through the channel on which the course watches "
    "it, and was ended. An app never needs that channel: does your code write to file descriptors that it didn't open?"
)
COLLECTIONS = ("", "explicit", "automatic")
PHASES = ("import", "startup", "serving")
STAGES = ("syntax", "import", "no app", "not an app", "startup")


class FloodMeter:
    """Counts what comes in faster than it can be read, and says when that's more than a watched app has to report.

    It needs no clock: on a busy machine an app and its reader are both slow.
    """

    def __init__(self) -> None:
        self._lines = self._bytes = self._forgeries = 0

    def forged(self) -> bool:
        """Count a line that is no report; True if there are too many."""
        self._forgeries += 1
        return self._forgeries > FLOOD_FORGERIES

    def floods(self, size: int, more: bool) -> bool:
        """Count a line of ``size`` bytes, behind which ``more`` is waiting already or not; True if there are too many."""
        self._lines += 1
        self._bytes += size
        too_many = self._lines > FLOOD_LINES or self._bytes > FLOOD_BYTES
        if not more:
            self._lines = self._bytes = 0
        return too_many


def parse(line: bytes) -> dict[str, Any] | None:
    """The report in one line of bytes as a dictionary of checked values, or None if it is none of ours."""
    try:
        report = json.loads(line)
        return _SHAPES[report["event"]](report)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return None


def _number(value: Any) -> float:
    value = float(value)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    # what is printed later must be printable: no lone surrogates, no control characters that move a terminal's cursor
    clean = value[:TEXT_LIMIT].encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in clean)


def _place(place: dict[str, Any]) -> dict[str, Any]:
    texts = {key: _text(place.get(key, "")) for key in ("file", "code", "function", "callee")}
    return {
        **texts,
        "line": int(place["line"]),
        "seconds": max(_number(place.get("seconds", 0.0)), 0.0),
        "collection": _one_of(COLLECTIONS, place.get("collection", "")),
        "lifespan": place.get("lifespan") is True,
    }


def _one_of(known: Collection[str], value: str) -> str:
    if value not in known:
        raise ValueError("not one of the known words")
    return value


def _places(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [_place(place) for place in report["where"][:10]]


def _turn(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": report["event"],
        "start": _number(report["start"]),
        "end": _number(report["end"]),
        **{key: max(_number(report.get(key, 0.0)), 0.0) for key in _SECONDS},
        "phase": _one_of(PHASES, report.get("phase", "serving")),
        "modules": int(report.get("modules", 0)),
        "tasks": int(report.get("tasks", 0)),
        "where": _places(report),
    }


_SECONDS = ("waited", "threads_waited", "paged", "longest_task", "longest_collection")


def _gil(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": "gil",
        "start": _number(report["start"]),
        "end": _number(report["end"]),
        "waited": max(_number(report.get("waited", 0.0)), 0.0),
        "where": _places(report),
    }


def _busy(report: dict[str, Any]) -> dict[str, Any]:
    return {"event": "busy", "seconds": _number(report["seconds"]), "where": _places(report)}


def _port(value: Any) -> int:
    if not 0 < int(value) < 65536:
        raise ValueError("not a port")
    return int(value)


def _trouble(report: dict[str, Any]) -> dict[str, Any]:
    if report["event"] == "failed" and report["stage"] not in STAGES:
        raise ValueError("not a stage")
    return {
        "event": report["event"],
        "stage": _text(report.get("stage", "")),
        "path": _text(report.get("path", "")),
        "type": _text(report.get("type", "")),
        "message": _text(report.get("message", "")),
        "where": _places(report) if "where" in report else [],
        "others": [_text(name) for name in report.get("others", [])[:10]],
    }


_SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "ready": lambda report: {
        "event": "ready",
        "port": _port(report["port"]) if "port" in report else None,
        "threads": [int(thread) for thread in report["threads"][:10]],
        "stacks": report.get("stacks") is True,
    },
    "here": lambda report: {"event": "here", "question": int(report["question"])},
    "turn": _turn,
    "late": _turn,
    "busy": _busy,
    "gil": _gil,
    "failed": _trouble,
    "error": _trouble,
    "warning": _trouble,
}


STACK_LINES_LIMIT = 1000  # lines of a dump that are kept
_FRAME = re.compile(rb'  File "(.{1,1000})", line (\d{1,9}) in (.{1,200})\n?')


class StackDump:
    """Collects what faulthandler writes between the reports: the stack of each thread, innermost frame first."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def take(self, line: bytes) -> None:
        """Take in a line that is no report."""
        if len(self._lines) < STACK_LINES_LIMIT:
            self._lines.append(line)

    def main_thread(self, program: str) -> list[dict[str, Any]]:
        """Return the frames (``file``, ``line``, ``function``) of the thread that runs ``program``, [] if it is not there yet."""
        threads: list[list[dict[str, Any]]] = [[]]
        for line in list(self._lines):
            found = _FRAME.fullmatch(line)
            if found:
                file, number, function = found.groups()
                threads[-1].append({"file": _text(file.decode(errors="replace")), "line": int(number)})
                threads[-1][-1]["function"] = _text(function.decode(errors="replace"))
            else:
                threads.append([])
        ours = (frames for frames in threads if any(_is_main(frame, program) for frame in frames))
        return next(ours, [])


def _is_main(frame: dict[str, Any], program: str) -> bool:
    return frame["file"].endswith(program) and frame["function"] == "main"
