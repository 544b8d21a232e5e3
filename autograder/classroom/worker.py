"""Grades submissions one after the other, in a process of its own: ``python -m autograder.classroom.worker LEVEL``.

Orders come on stdin and results go out on stdout, one JSON object a line.  It ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from typing import Any

from autograder.classroom import grade
from autograder.programs.private import keep_private
from autograder.sandbox import levels


async def main(isolation: str) -> int:
    keep_private()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints goes to the log
    orders = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    def tell(**news: Any) -> None:
        out.write(json.dumps(news) + "\n")
        out.flush()

    try:
        found = levels.at_least(isolation)
    except levels.IsolationUnavailable as low:
        tell(refused=str(low))
        return 2
    tell(ready=found.level, sentence=found.sentence)
    while line := await orders.readline():
        order = json.loads(line)
        result = await grade.grade(order["file"], found.jail, order["lesson"])
        tell(id=order["id"], result=asdict(result))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
