"""The base of the database services: a server, embedded or given by URL, and the judge's connection to it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from autograder.services.base import Service, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator


NOT_EMPTY = (
    "The database that {name} names already has tables with the course's names. The course would replace them, so "
    "nothing was changed. Name an empty database."
)
# The judge's statements take milliseconds. An app must not be able to stall grading by making one of them wait.
STATEMENT_LIMIT_S = 20.0  # s, enforced by the server
LOCK_LIMIT_S = 2  # s, whole ones for MySQL, that a call of `price_of` may have its lock on a busy machine
ANSWER_LIMIT_S = 30.0  # s, enforced by the judge, in case the server doesn't answer at all


class Database(Service):
    """A database server. ``name`` is its name in messages, ``error`` the exception class of its driver."""

    def __init__(self, name: str, error: type[Exception]) -> None:
        super().__init__()
        self.name = name
        self.error = error
        self._embedded: Any = None
        self._ours: Any = None
        self._gate = threading.Lock()
        self._asked_at: float | None = None  # when the current statement was sent
        self._ended = threading.Event()

    def stop(self) -> None:
        """Close the connection and, if it's embedded, stop the server."""
        self._ended.set()
        if self._ours is not None:
            with suppress(self.error, OSError):
                self._ours.close()
            self._ours = None
        if self._embedded:
            self._embedded.stop()

    def healthy(self) -> bool:
        """Return True if the server still answers on the judge's connection. A crash of any backend would break it."""
        try:
            self._do("SELECT 1")
        except ServiceError:
            return False
        return self.alive

    def _do(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows of a statement. Raises `ServiceError`, also if the server doesn't answer in time."""
        if self._ours is None:
            raise ServiceError(f"{self.name} was stopped.")
        try:
            with self._gate, self._timed(), self._ours.cursor() as cursor:
                cursor.execute(query, values)
                return list(cursor.fetchall()) if cursor.description else []
        except (self.error, OSError) as error:
            raise ServiceError(f"{self.name} failed: {error}") from None

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._asked_at = time.monotonic()
        try:
            yield
        finally:
            self._asked_at = None

    def _watch(self, descriptor: int) -> None:
        """Start to watch the judge's connection (its socket's descriptor), and break it when a statement isn't answered in time."""
        connection = socket.socket(fileno=descriptor)

        def watch() -> None:
            while not self._ended.wait(1.0):
                asked_at = self._asked_at
                if asked_at is not None and time.monotonic() - asked_at > ANSWER_LIMIT_S:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
            connection.close()

        threading.Thread(target=watch, name=f"{self.name}-watch", daemon=True).start()
