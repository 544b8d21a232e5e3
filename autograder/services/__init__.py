"""Real services for apps to wait for. Each can hold its replies, and release them.

A service is started on first use, belongs to this process, and ends with it. ``get("upstream")`` returns the running
service; ``fresh("upstream")`` returns one in its initial state, for an app that is about to be judged. An app finds the
service through `Service.environment`.
"""

from __future__ import annotations

import atexit

from autograder.services.base import Service, ServiceError
from autograder.services.commands import Commands
from autograder.services.cpu_work import JOBS, CpuWork
from autograder.services.files import Files
from autograder.services.mysql import MySQL
from autograder.services.postgres import Postgres
from autograder.services.redis import Redis
from autograder.services.upstream import Upstream

KINDS: dict[str, type[Service]] = {
    "commands": Commands,
    "files": Files,
    "mysql": MySQL,
    "postgres": Postgres,
    "redis": Redis,
    "upstream": Upstream,
    "work": CpuWork,
}
_running: dict[str, Service] = {}


def get(name: str) -> Service:
    """Return the running service of that name. Raises `ServiceError`, with the reason, if it can't run here."""
    service = _running.get(name)
    if service is not None and not service.alive:
        service.stop()  # remove what may be left of it
        service = None
    if service is None:
        service = _running[name] = KINDS[name]()
    return service


def fresh(name: str) -> tuple[Service, dict[str, str]]:
    """Return (a service in its initial state, the environment for one app that is about to be judged).

    What an earlier app left in the service is removed. If that fails, the service is replaced. Raises `ServiceError`.
    """
    service = get(name)
    try:
        return service, service.fresh_environment()
    except ServiceError:
        service.stop()
        service = _running[name] = KINDS[name]()
        return service, service.fresh_environment()


@atexit.register
def stop_all() -> None:
    """Stop all services of this process."""
    while _running:
        _running.popitem()[1].stop()


__all__ = ["JOBS", "KINDS", "Service", "ServiceError", "fresh", "get", "stop_all"]
