"""Prove that requests overlap and that the event loop stays free. The pytest plugin's fixture uses this.

`gates` hold calls until all have arrived, `services` run the app under test, and `proofs` decide.
"""

from freeloop.testing.gates import Gate, Upstream
from freeloop.testing.proofs import LoopBlocked, NotConcurrent, RequestFailed, Unproved, prove_free, prove_overlap
from freeloop.testing.requests import Reply, Request
from freeloop.testing.services import AppService, ProcessService, Service, UrlService

__all__ = [
    "AppService",
    "Gate",
    "LoopBlocked",
    "NotConcurrent",
    "ProcessService",
    "Reply",
    "Request",
    "RequestFailed",
    "Service",
    "Unproved",
    "Upstream",
    "UrlService",
    "prove_free",
    "prove_overlap",
]
