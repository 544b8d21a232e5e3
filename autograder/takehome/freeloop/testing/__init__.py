"""Proofs that requests overlap and that the event loop stays free: what the pytest plugin's fixture is made of.

`gates` hold calls back until all have arrived, `services` are what requests are sent to, `proofs` decide.
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
