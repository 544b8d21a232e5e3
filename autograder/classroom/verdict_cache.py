"""The verdict cache: an SQLite file with verdicts, and with what the gradebook has. A kill at any moment can't damage it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, result TEXT NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS written (
    lesson TEXT, student TEXT, key TEXT NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (lesson, student)
);
CREATE TABLE IF NOT EXISTS tries (
    number INTEGER PRIMARY KEY, lesson TEXT NOT NULL, student TEXT NOT NULL, answers TEXT NOT NULL, items TEXT NOT NULL,
    at TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE (lesson, student, answers)
);
CREATE TABLE IF NOT EXISTS broken (
    lesson TEXT, student TEXT, key TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (lesson, student)
);
CREATE TABLE IF NOT EXISTS people (lesson TEXT, student TEXT, why TEXT NOT NULL, PRIMARY KEY (lesson, student));
"""


class Store:
    """Verdicts by key, and the key with which each submission was written. One process at a time owns it."""

    def __init__(self, file: Path | str) -> None:
        self._base = sqlite3.connect(file, timeout=1, isolation_level=None, check_same_thread=False)
        self._base.executescript(SCHEMA)
        # locked until this process ends, however it ends, so that a second coordinator is refused immediately
        self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._base.execute("BEGIN EXCLUSIVE")
        self._base.execute("COMMIT")

    def result(self, key: str) -> dict[str, Any] | None:
        """Return the cached result for a key, or None."""
        row = self._base.execute("SELECT result FROM verdicts WHERE key = ?", [key]).fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, key: str, result: dict[str, Any]) -> None:
        """Store a result; it's on disk when this returns."""
        self._base.execute("INSERT OR REPLACE INTO verdicts (key, result) VALUES (?, ?)", [key, json.dumps(result)])

    def written(self, lesson: str) -> dict[str, str]:
        """Return {student: key} of what the gradebook has."""
        return dict(self._base.execute("SELECT student, key FROM written WHERE lesson = ?", [lesson]))

    def wrote(self, lesson: str, student: str, key: str) -> None:
        """Record that the gradebook has this student's grade."""
        self._base.execute(
            "INSERT OR REPLACE INTO written (lesson, student, key) VALUES (?, ?, ?)", [lesson, student, key]
        )

    def note_try(self, lesson: str, student: str, answers: str, items: list[dict[str, Any]]) -> None:
        """Record the outcomes of a student's ``answers`` (their hash). The same answers graded again aren't another try."""
        short = [{"id": item["id"], "outcome": item["outcome"], "kind": item.get("kind", "")} for item in items]
        self._base.execute(
            "INSERT INTO tries (lesson, student, answers, items) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (lesson, student, answers) DO UPDATE SET items = excluded.items",
            [lesson, student, answers, json.dumps(short)],
        )

    def tried(self, lesson: str) -> dict[str, set[str]]:
        """{student: hashes of the answers that were graded} of a lesson."""
        found: dict[str, set[str]] = {}
        for student, answers in self._base.execute("SELECT student, answers FROM tries WHERE lesson = ?", [lesson]):
            found.setdefault(student, set()).add(answers)
        return found

    def broken(self, lesson: str) -> dict[str, tuple[str, str]]:
        """Return {student: (hash of the files, why)} of submissions that nbgrader couldn't process."""
        rows = self._base.execute("SELECT student, key, why FROM broken WHERE lesson = ?", [lesson])
        return {student: (key, why) for student, key, why in rows}

    def note_broken(self, lesson: str, student: str, key: str, why: str) -> None:
        """Record why a submission with these files can't be graded or, with an empty ``why``, that it can."""
        self._base.execute("DELETE FROM broken WHERE lesson = ? AND student = ?", [lesson, student])
        if why:
            self._base.execute("INSERT INTO broken VALUES (?, ?, ?, ?)", [lesson, student, key, why])

    def note_people(self, lesson: str, reasons: dict[str, str]) -> None:
        """Replace the reasons why a person must look at submissions of a lesson, by student."""
        self._base.execute("BEGIN")
        self._base.execute("DELETE FROM people WHERE lesson = ?", [lesson])
        self._base.executemany(
            "INSERT INTO people (lesson, student, why) VALUES (?, ?, ?)",
            [(lesson, student, why) for student, why in reasons.items()],
        )
        self._base.execute("COMMIT")

    def close(self) -> None:
        self._base.close()
