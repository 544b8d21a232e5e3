"""What every service can do."""

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
    """A service cannot start, or died: a matter of this machine, never of a learner's app."""


class Service(ABC):
    """A real thing that an app waits for.

    *Token*: a random word that says which request of a race something belongs to.  *Reply*: the number that
    the service gives for a token; nobody can know it without asking the service.
    """

    app_files: tuple[Path, ...] = ()  # files that lie beside an app which asks this service
    spawns = False  # True if each question is asked by a process that the app starts for it
    computes = False  # True if the app itself must work on what the service gives it

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._calls: Counter[str] = Counter()
        self._counting = threading.Lock()

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment variables through which an app finds the service, as a dictionary."""

    def fresh_environment(self) -> dict[str, str]:
        """The `environment` for an app that is about to be judged; what those judged before have left open is ended."""
        return self.environment

    @property
    def ports(self) -> list[int]:
        """Ports of this machine that an app must reach and that `environment` does not name."""
        return []

    @property
    @abstractmethod
    def alive(self) -> bool:
        """False once the service has ended."""

    def healthy(self) -> bool:
        """True if it still does its work, as itself says when it is asked: a server may be gone before `alive` shows it."""
        return self.alive

    @abstractmethod
    def prepare(self, tokens: list[str]) -> None:
        """Make the service ready to be asked for these tokens."""

    @abstractmethod
    def hold(self) -> None:
        """From now on hold everything that is asked for."""

    @abstractmethod
    def held(self) -> list[str]:
        """The tokens that are held at this moment, in the order in which they came where that is known."""

    @abstractmethod
    def release(self, tokens: list[str] | None = None) -> None:
        """Let those of these tokens go that are held, and hold whoever comes; without tokens let all go, and hold no more."""

    def calls(self, tokens: Iterable[str]) -> dict[str, int]:
        """How many calls for each of these tokens have reached the service since it was started.

        A count is never too high.  A call that is still on its way is not in it yet.  Raises `ServiceError`.
        """
        with self._counting:
            return {token: self._calls[token] for token in tokens}

    def count_call(self, token: str) -> None:
        """Count one call for a token.  Each service does so before it replies, so that an answered call is a counted one."""
        with self._counting:
            self._calls[token] += 1

    @abstractmethod
    def stop(self) -> None:
        """End the service."""

    def reply(self, token: str) -> int:
        """What the service gives for a token: a number below one million."""
        digest = hmac.new(self._secret, token.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "big") % 1_000_000
