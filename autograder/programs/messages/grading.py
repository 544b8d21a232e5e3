"""Messages between a grading worker (`autograder.classroom.worker`) and `autograder.classroom.worker_pool`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from . import Message


@dataclass(frozen=True)
class WorkerReady(Message):
    """The worker is ready for orders. ``sentence`` describes its isolation."""

    kind: ClassVar[str] = "ready"
    level: str
    sentence: str


@dataclass(frozen=True)
class WorkerRefused(Message):
    """The worker can't provide the isolation that was requested."""

    kind: ClassVar[str] = "refused"
    why: str


@dataclass(frozen=True)
class GradeSubmission(Message):
    """Grade the notebook in ``file`` as a submission for ``lesson``, of which the student has a ``variant``, or None."""

    kind: ClassVar[str] = "grade"
    id: str
    file: str
    lesson: str
    variant: dict[str, Any] | None


@dataclass(frozen=True)
class GradedItem(Message):
    """The result for one graded cell (see `autograder.classroom.grade.Item`).

    ``kind`` is the kind of its diagnosis; as a part of a message, it has no message kind on the wire.
    """

    id: str
    points: float
    max_points: float
    outcome: Literal["pass", "fail", "error"]
    diagnosis: str
    race: dict[str, Any] | None
    kind: str  # type: ignore[misc]


@dataclass(frozen=True)
class GradedSubmission(Message):
    """The result for one submission (see `autograder.classroom.grade.Result`)."""

    path: str
    lesson: str | None
    isolation: str
    points: float
    max_points: float
    seconds: float
    items: list[GradedItem]


@dataclass(frozen=True)
class SubmissionGraded(Message):
    """The result of the order with this id."""

    kind: ClassVar[str] = "graded"
    id: str
    result: GradedSubmission


WorkerNews = WorkerReady | WorkerRefused | SubmissionGraded
WORKER_NEWS: tuple[type[WorkerNews], ...] = get_args(WorkerNews)
