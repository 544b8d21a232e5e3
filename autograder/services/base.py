"""The interface of every service."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from autograder.errors import UserFacingError


class ServiceError(UserFacingError):
    """A service can't start, or has died. That is a problem of this machine, never of a learner's app."""


class Service(ABC):
    """A service that an app calls and waits for.

    *Token*: a random word that identifies the request of a race to which a call belongs. *Reply*: the number that the
    service returns for a token, which an app can't know without calling the service.
    """

    app_files: tuple[Path, ...] = ()  # files that must be in the folder of an app that calls this service
    spawns = False  # True if the app starts a process for each call
    computes = False  # True if the app itself must compute a result from the service's reply

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._calls: Counter[str] = Counter()
        self._counting = threading.Lock()

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment variables through which an app finds the service."""

    def fresh_environment(self) -> dict[str, str]:
        """Return the `environment` for an app that is about to be judged, and end what earlier apps have left open."""
        return self.environment

    @property
    def ports(self) -> list[int]:
        """Ports of this machine that an app must reach and that `environment` doesn't name."""
        return []

    @property
    @abstractmethod
    def alive(self) -> bool:
        """False once the service has ended."""

    def healthy(self) -> bool:
        """Return True if the service responds to a check. A server may fail before `alive` shows it."""
        return self.alive

    @abstractmethod
    def prepare(self, tokens: list[str]) -> None:
        """Prepare the service for calls with these tokens."""

    @abstractmethod
    def hold(self) -> None:
        """Hold the reply to every call from now on."""

    @abstractmethod
    def held(self) -> list[str]:
        """Return the tokens of the held calls, in the order of arrival where that is known."""

    @abstractmethod
    def release(self, tokens: list[str] | None = None) -> None:
        """Release the held replies for ``tokens`` and keep holding others. Without ``tokens``, release all, and stop holding."""

    def refuse(self, tokens: list[str]) -> None:
        """Reply to the held calls for ``tokens`` with an error, and keep holding others. Only the HTTP service can."""
        raise NotImplementedError

    def calls(self, tokens: Iterable[str]) -> dict[str, int]:
        """Return how many calls for each of these tokens have reached the service since it was started.

        A count is never too high. It doesn't include a call that is still on its way. Raises `ServiceError`.
        """
        with self._counting:
            return {token: self._calls[token] for token in tokens}

    def count_call(self, token: str) -> None:
        """Count one call for a token. Each service calls this before it replies, so every answered call is counted."""
        with self._counting:
            self._calls[token] += 1

    @abstractmethod
    def stop(self) -> None:
        """Stop the service."""

    def result(self, job: str, token: str) -> int:
        """Return what an app must compute in a ``job`` from the reply for a token; only services with `computes` have jobs."""
        raise NotImplementedError

    def reply(self, token: str) -> int:
        """Return the service's reply for a token: a number below one million."""
        digest = hmac.new(self._secret, token.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "big") % 1_000_000
