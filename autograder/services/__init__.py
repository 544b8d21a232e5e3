"""Real things that an app waits for.  Each can *park* what reaches it and let it go again.

A service is started on first use, belongs to this process, and ends with it.  ``get("upstream")``
returns the running one.  What an app needs to find a service stands in `Service.environment`.
"""

import atexit

from autograder.services.base import Service, ServiceError
from autograder.services.commands import Commands
from autograder.services.cpu_work import JOBS, CpuWork
from autograder.services.files import Files
from autograder.services.mysql import MySQL
from autograder.services.postgres import Postgres
from autograder.services.redis import Redis
from autograder.services.upstream import Upstream

KINDS = {
    "commands": Commands,
    "files": Files,
    "mysql": MySQL,
    "postgres": Postgres,
    "redis": Redis,
    "upstream": Upstream,
    "work": CpuWork,
}
_running: dict[str, Service] = {}


def get(name):
    """The running service of that name.  Raises `ServiceError`, with the reason, if it cannot run here."""
    service = _running.get(name)
    if service is not None and not service.alive:
        service.stop()  # what may be left of it
        service = None
    if service is None:
        service = _running[name] = KINDS[name]()
    return service


@atexit.register
def stop_all():
    while _running:
        _running.popitem()[1].stop()


__all__ = ["JOBS", "KINDS", "Service", "ServiceError", "get", "stop_all"]
