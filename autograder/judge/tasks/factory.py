"""The judge for each kind of task. All judges have the method ``verdict_with_retries(part)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.judge.judge import Judge
from autograder.judge.spec.text_task import TextTask
from autograder.judge.tasks.findings import FindingsJudge
from autograder.judge.tasks.mutation import MutationJudge

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.judge.served_app import ServedApp
    from autograder.judge.spec.endpoint import Endpoint


def judging(
    file: str | Path, task: Endpoint | TextTask, served: ServedApp | None = None
) -> Judge | FindingsJudge | MutationJudge:
    """Return the judge of ``task`` for the learner's ``file``; its ``verdict_with_retries(part)`` returns the `Verdict`."""
    if not isinstance(task, TextTask):
        return Judge(file, task, served)
    if task.kind == "findings":
        return FindingsJudge(file, task)
    return MutationJudge(file, task, served.sandbox if served else None)
