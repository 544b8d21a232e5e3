"""Real things that an app waits for.  Each can *park* what reaches it and let it go again.

A service is started on first use, belongs to this process, and ends with it.  ``get("upstream")``
returns the running one.  What an app needs to find a service stands in `Service.environment`.
"""

import atexit

from .base import Service, ServiceError
from .commands import Commands
from .files import Files
from .mysql import MySQL
from .postgres import Postgres
from .redis import Redis
from .upstream import Upstream
from .work import JOBS, Work

KINDS = {
    "commands": Commands,
    "files": Files,
    "mysql": MySQL,
    "postgres": Postgres,
    "redis": Redis,
    "upstream": Upstream,
    "work": Work,
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
