"""Judges a list of findings: the lines of a service that block its loop, written as ``library.py:31 requests.get``.

The list is text, which is parsed and never run. The right lines are only in the course's sources, in ``solutions/``: they
can't be derived from what a learner receives, and a visible check says only whether a list can be read.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path

from autograder import paths
from autograder.judge.spec.text_task import TextTask
from autograder.judge.verdict import DiagnosisKind, Inconclusive, Outcome, Verdict

LINE = re.compile(r"(?:\./)?(\w[\w./-]*\.py)\s*:\s*(\d{1,6})(?:[\s:,-]+(\S.*))?")
LINES_LIMIT = 40  # lines that a list may name; a service has fewer blockers


@dataclass
class Findings:
    """A parsed list: ``named`` maps (file, line) to the call on it; ``unread`` are the lines that can't be read."""

    named: dict[tuple[str, int], str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def read(text: str) -> Findings:
    """Return the `Findings` in a text: one per line; ``#`` starts a comment."""
    found = Findings()
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = LINE.fullmatch(line)
        if match:
            found.named.setdefault((match[1], int(match[2])), (match[3] or "").strip())
        else:
            found.unread.append(line[:80])
    return found


def truth(task: TextTask) -> TextTask:
    """Return the task from the course's sources, with the right lines. Raises `Inconclusive` if there are no sources."""
    from autograder.judge.spec.exercise import ExerciseError, load

    try:
        whole = load(paths.exercise(task.lesson)).endpoint(task.id)
    except (ExerciseError, OSError):
        whole = None
    if whole is None or not whole.blockers:
        raise Inconclusive("the lines that count are not here. They are in the sources of the course.")
    return whole


def check_readable(text: str, task: TextTask) -> tuple[bool, str]:
    """Return (whether a list can be graded, the visible check's message), which are the same for right and wrong lines."""
    found = read(text)
    total = task.points["found"]
    problems = unread(found)
    if not found.named:
        return False, "\n".join(
            [f"No line is named yet. The service has {total} lines that block its loop.", *problems]
        )
    if len(found.named) > LINES_LIMIT:
        return False, f"{len(found.named)} lines are named; at most {LINES_LIMIT} are read."
    said = f"{_lines(len(found.named))} named; {total} lines block. Which of yours are right, the grade says."
    return not problems, "\n".join([said, *problems])


def unread(found: Findings) -> list[str]:
    """Return messages about the lines that can't be read."""
    problems = [f"This line cannot be read: {line}" for line in found.unread[:5]]
    return [*problems, "Write file, line and call, as in: library.py:31 requests.get"] if problems else []


class FindingsJudge:
    """Judges the list in ``file`` for a `TextTask` task."""

    def __init__(self, file: str | Path, task: TextTask) -> None:
        self.file = Path(file)
        self.task = task

    async def verdict_with_retries(self, part: str) -> Verdict:
        """Return the verdict on the whole list; its share is (right lines - wrong lines) / all blockers."""
        try:
            return await asyncio.to_thread(self._verdict, truth(self.task))
        except Inconclusive as problem:
            return Verdict(Outcome.ERROR, "", f"No verdict: {problem}")

    def _verdict(self, task: TextTask) -> Verdict:
        text = self.file.read_text(encoding="utf-8", errors="replace")
        found = read(text)
        total = len(task.blockers)
        problems = unread(found)
        if not found.named:
            kind = DiagnosisKind.CANNOT_BE_READ if found.unread else DiagnosisKind.NOTHING_NAMED
            return _fail(kind, [f"No line is named yet. The service has {total} lines that block its loop.", *problems])
        if len(found.named) > LINES_LIMIT:
            return _fail(
                DiagnosisKind.WRONG_ACCUSATIONS,
                [f"{len(found.named)} lines are named; at most {LINES_LIMIT} are read."],
            )
        right = sum(place in task.blockers for place in found.named)
        leading = [place for place in found.named if place in task.on_the_way]
        wrong = len(found.named) - right - len(leading)
        said = [f"{right} of {total} blockers are named."]
        if wrong:
            said.append(
                f"{_lines(wrong)} named that {'blocks' if wrong == 1 else 'block'} nobody: "
                f"each costs as much as a blocker earns. A wait in a thread doesn't block the loop, and neither does a "
                f"line that only fetches a result that is there already."
            )
        said += [
            f"{file}:{line} only leads to a blocker: look at what it calls, or at the code that waits for what it starts."
            for file, line in leading
        ]
        said += problems
        share = max(right - wrong, 0) / total
        if share == 1:
            return Verdict(Outcome.PASS, diagnosis=" ".join(said), trials=1)
        return _fail(DiagnosisKind.WRONG_ACCUSATIONS if wrong else DiagnosisKind.NOT_ALL_FOUND, said, share)


def _fail(kind: DiagnosisKind, said: list[str], share: float = 0.0) -> Verdict:
    return Verdict(Outcome.FAIL, kind, "\n".join(said), trials=1, share=share)


def _lines(count: int) -> str:
    return "1 line is" if count == 1 else f"{count} lines are"


def remarks(text: str, folder: str | Path) -> list[str]:
    """Return a sentence for each finding whose line, in the files of ``folder``, doesn't contain the call that it names."""
    said = []
    for (name, number), call in read(text).named.items():
        try:
            lines = (Path(folder) / name).read_text(encoding="utf-8").splitlines()
        except OSError:
            said.append(f"{name}:{number}: there is no file {name} here.")
            continue
        if number > len(lines) or not number:
            said.append(f"{name}:{number}: {name} has {len(lines)} lines.")
        elif call and call.split()[0].split("(")[0] not in lines[number - 1]:
            said.append(f"{name}:{number} does not hold {call.split()[0]}. It reads: {lines[number - 1].strip()}")
    return said
