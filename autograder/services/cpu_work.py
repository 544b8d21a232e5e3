"""CPU-bound work: the jobs of `workshop`, a module in the app's folder that runs in its process or in a child.

A job sends its token to the gate, waits until it's released, and gets the number from which it must start. An app therefore
can't know a result beforehand. The judge does the same work with its own copy of the module. A connection from the app's
process proves only that a job for that token was started there, and waits.
"""

from __future__ import annotations

from pathlib import Path

from autograder.services import workshop
from autograder.services.gate import SocketGate

JOBS = {"thumbnail": workshop.thumbnail, "stamp": workshop.stamp, "ranking": workshop.ranking, "route": workshop.route}


class CpuWork(SocketGate):
    """The gate to which jobs connect; its address is in the variable WORKSHOP."""

    app_files = (Path(workshop.__file__),)
    computes = True

    @property
    def environment(self) -> dict[str, str]:
        return {"WORKSHOP": f"{self.secret}@127.0.0.1:{self.port}"}

    def result(self, job: str, token: str) -> int:
        """Return the result that a job must have for a token. This does the work."""
        return JOBS[job](token, self.reply(token))
