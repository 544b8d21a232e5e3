"""Judges a list of findings: which lines of a service block its loop, named as ``library.py:31 requests.get``.

The list is text.  It is read here, never run.  The truth is kept as digests of file and line, so that the copy of
exercise.toml that learners get does not say it; tests prove the lines by racing the service.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from autograder.judge.verdict import Verdict

LINE = re.compile(r"(?:\./)?(\w[\w./-]*\.py)\s*:\s*(\d{1,6})(?:[\s:,-]+(\S.*))?")
MOST = 40  # lines that a list may name: a service has fewer blockers, and each digest costs time
ROUNDS = 50_000


@dataclass
class Findings:
    """What a list says: ``named`` maps (file, line) to the call that it names; ``unread`` are lines that say nothing."""

    named: dict = field(default_factory=dict)
    unread: list = field(default_factory=list)


def read(text):
    """The `Findings` in a text: one a line, ``#`` begins a remark."""
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


def digest(task, file, line):
    """What stands for a line of the service in exercise.toml."""
    return hashlib.pbkdf2_hmac("sha256", f"{file}:{line}".encode(), task.encode(), ROUNDS).hex()[:24]


class FindingsJudge:
    """Judges the list in ``file`` for a `TextTask` task."""

    def __init__(self, file, task):
        self.file = Path(file)
        self.task = task

    async def verdict_with_retries(self, part):
        """The verdict on the whole list; its share is what was found less what was wrongly accused."""
        return await asyncio.to_thread(self._verdict)

    def _verdict(self):
        text = self.file.read_text(encoding="utf-8", errors="replace")
        found = read(text)
        total = len(self.task.blockers)
        problems = [f"This line cannot be read: {line}" for line in found.unread[:5]]
        if problems:
            problems.append("Write file, line and call, as in: library.py:31 requests.get")
        if not found.named:
            kind = "cannot be read" if found.unread else "nothing named"
            return _fail(kind, [f"No line is named yet. The service has {total} lines that block its loop.", *problems])
        if len(found.named) > MOST:
            return _fail("wrong accusations", [f"{len(found.named)} lines are named; at most {MOST} are read."])
        keys = {place: digest(self.task.id, *place) for place in found.named}
        right = sum(key in self.task.blockers for key in keys.values())
        leading = [place for place, key in keys.items() if key in self.task.on_the_way]
        wrong = len(keys) - right - len(leading)
        said = [f"{right} of {total} blockers are named."]
        if wrong:
            said.append(
                f"{_lines(wrong)} named that {'blocks' if wrong == 1 else 'block'} nobody: "
                f"each costs what a blocker brings. A wait in a thread is nobody's wait, and a line that only picks up "
                f"what has come does not wait."
            )
        said += [
            f"{file}:{line} only leads to a blocker: look into what it calls, or at who waits for what it starts."
            for file, line in leading
        ]
        said += problems
        share = max(right - wrong, 0) / total
        if share == 1:
            return Verdict("pass", diagnosis=" ".join(said), trials=1)
        return _fail("wrong accusations" if wrong else "not all found", said, share)


def _fail(kind, said, share=0.0):
    return Verdict("fail", kind, "\n".join(said), trials=1, share=share)


def _lines(count):
    return "1 line is" if count == 1 else f"{count} lines are"


def remarks(text, folder):
    """Sentences on accusations whose line does not hold the call that they name, as the files in ``folder`` say."""
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
