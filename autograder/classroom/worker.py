"""Grades submissions one after the other in its own process: ``python -m autograder.classroom.worker LEVEL [probed]``.

LEVEL is the lowest level of isolation that's allowed or, with "probed", the level that the run has found to work here.  It
reads orders on stdin and writes results to stdout, one per line (`messages.grading`). It ends when stdin closes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict

from autograder.classroom import grade
from autograder.programs.messages import decode, encode
from autograder.programs.messages.grading import (
    GradedSubmission,
    GradeSubmission,
    SubmissionGraded,
    WorkerNews,
    WorkerReady,
    WorkerRefused,
)
from autograder.programs.private import keep_private
from autograder.sandbox import levels


async def main(isolation: str, probed: bool = False) -> int:
    keep_private()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # all other output goes to the log
    orders = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    def send(news: WorkerNews) -> None:
        out.write(encode(news) + "\n")
        out.flush()

    try:
        found = levels.as_probed(isolation) if probed else levels.at_least(isolation)
    except levels.IsolationUnavailable as low:
        send(WorkerRefused(str(low)))
        return 2
    send(WorkerReady(found.level, found.sentence))
    while line := await orders.readline():
        order = decode(line, GradeSubmission)
        result = await grade.grade(order.file, found.sandbox, order.lesson, order.variant)
        send(SubmissionGraded(order.id, GradedSubmission.from_wire(asdict(result))))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:] == ["probed"])))
