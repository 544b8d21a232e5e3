"""What the services that are databases share: a server, embedded or given, and one connection of ours to it."""

import threading

from autograder.services.base import Service, ServiceError

NOT_EMPTY = (
    "The database that {name} names has tables of its own under the course's names. The course makes tables anew, so "
    "nothing was touched. Name a database that is empty."
)


class Database(Service):
    """``name`` as a learner knows it; ``error`` is what the driver raises."""

    def __init__(self, name, error):
        super().__init__()
        self.name = name
        self.error = error
        self._embedded = None
        self._ours = None
        self._gate = threading.Lock()

    def stop(self):
        if self._ours is not None:
            self._ours.close()
            self._ours = None
        if self._embedded:
            self._embedded.stop()

    def healthy(self):
        """As `Service.well`.  A server that has lost one connection to a crash has lost ours as well."""
        try:
            self._do("SELECT 1")
        except ServiceError:
            return False
        return self.alive

    def _do(self, query, values=None):
        """The rows of a statement, as a list of tuples.  Raises `ServiceError`."""
        if self._ours is None:
            raise ServiceError(f"{self.name} was stopped.")
        try:
            with self._gate, self._ours.cursor() as cursor:
                cursor.execute(query, values)
                return list(cursor.fetchall()) if cursor.description else []
        except self.error as error:
            raise ServiceError(f"{self.name} failed: {error}") from None
