"""Tasks whose answer isn't an app but a text: a list of findings, or a test.

In exercise.toml such a task is a table ``[[written]]``; docs/exercises.md explains its keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.judge.spec.endpoint import ExpectedDiagnosis


@dataclass(frozen=True)
class TextTask:
    """One graded text. ``kind`` is "findings" or "tests".

    For findings, ``blockers`` and ``on_the_way`` hold lines as (file, number); they're empty in a learner's copy. For tests,
    ``honest`` and ``blocking`` map the names of hidden apps to what they do.
    """

    id: str
    kind: str
    file: str
    title: str
    points: dict[str, float]
    lesson: str
    service: str = ""
    starter: ExpectedDiagnosis | None = None
    blockers: tuple[tuple[str, int], ...] = ()
    on_the_way: tuple[tuple[str, int], ...] = ()
    accepted: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, ExpectedDiagnosis] = field(default_factory=dict)
    honest: dict[str, str] = field(default_factory=dict)
    blocking: dict[str, str] = field(default_factory=dict)

    request = ""  # no HTTP request is made
    magic = "%%keep"  # the first word of its cell

    @property
    def cell(self) -> str:
        """The grade_id of the cell that holds the text."""
        return self.id

    @property
    def parts(self) -> tuple[str, ...]:
        """What is graded, in the order of the notebook."""
        return tuple(self.points)

    @property
    def services(self) -> tuple[str, ...]:
        """The services to start beforehand: none."""
        return ()

    def item(self, part: str) -> str:
        """The name of a graded item: the grade_id of its cell."""
        return f"{self.id}_{part}"
