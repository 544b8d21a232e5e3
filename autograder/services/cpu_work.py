"""Work that keeps a CPU busy: the jobs of `workshop`, which lies beside the app and runs in its process, or in a child.

A job reports its token to the gate, waits until it is let go, and is told the number that it must start from.  So
nobody knows a result beforehand; the judge does the same work with its own copy of the module.  What the app's process
says is proof of nothing but this: somebody there asked for that token, and waits.
"""

from __future__ import annotations

from pathlib import Path

from autograder.services import workshop
from autograder.services.gate import SocketGate

JOBS = {"thumbnail": workshop.thumbnail, "stamp": workshop.stamp, "ranking": workshop.ranking, "route": workshop.route}


class CpuWork(SocketGate):
    """The gate that jobs report to, in the variable WORKSHOP."""

    app_files = (Path(workshop.__file__),)
    computes = True

    @property
    def environment(self) -> dict[str, str]:
        return {"WORKSHOP": f"{self.secret}@127.0.0.1:{self.port}"}

    def result(self, job: str, token: str) -> int:
        """What a job must give for a token.  This does the work."""
        return JOBS[job](token, self.reply(token))
