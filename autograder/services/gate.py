"""The part of parking that services share: who has arrived, who may go."""

import threading

from .base import Service


class Gate(Service):
    """A service that is told of each arrival, with a function that lets it go."""

    def __init__(self):
        super().__init__()
        self._gate = threading.Lock()
        self._parking = False
        self._held = []  # (token, function), in the order of arrival

    def arrive(self, token, go):
        """Somebody asks for ``token``: hold them while the service parks, else call ``go`` at once."""
        with self._gate:
            if self._parking:
                self._held.append((token, go))
                return
        go()

    def leave(self, token):
        """Whoever asked for ``token`` has given up."""
        with self._gate:
            self._held = [entry for entry in self._held if entry[0] != token]

    def park(self):
        with self._gate:
            self._held.clear()
            self._parking = True

    def parked(self):
        with self._gate:
            return [token for token, _ in self._held]

    def release(self, count=None, newest=False):
        with self._gate:
            part = slice(-count, None) if count and newest else slice(count)
            going, self._held[part] = self._held[part], []
            if count is None:
                self._parking = False
        for _, go in going:
            go()
