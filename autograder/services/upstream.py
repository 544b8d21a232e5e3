"""An HTTP service of our own: a small ASGI app on uvicorn, in its own process.

``GET /items/{token}`` answers ``{"item": token, "price": number}`` after ``?wait=`` seconds (0 without it), or, while
the service parks, when it is released.  Orders come to its process on stdin and news go out on stdout, so an app
that only knows its address cannot release itself.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

from autograder.paths import PROGRAMS
from autograder.services.base import Service, ServiceError

START_LIMIT = 30.0  # s
PARK_LIMIT = 10.0  # s


class Upstream(Service):
    """The upstream and its process; ``url`` is its address."""

    def __init__(self):
        super().__init__()
        self.url = None
        self._ready = threading.Event()
        self._changed = threading.Condition()
        self._holding = threading.Event()
        self._parked = []
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAMS / "upstream_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self._order(secret=self._secret.hex())
        if not self._ready.wait(START_LIMIT) or self.url is None:
            self.stop()
            raise ServiceError("The HTTP upstream did not start. Try again; if it stays so, the machine is overloaded.")

    @property
    def environment(self):
        return {"UPSTREAM_URL": self.url}

    @property
    def alive(self):
        return self._process.poll() is None

    def prepare(self, tokens):
        """Nothing to do: a reply is made from the token that is asked for."""

    def hold(self):
        with self._changed:
            self._parked.clear()
        self._holding.clear()
        self._order(op="park")
        # a race may begin at once, and nobody may be answered who asks from now on
        if not self._holding.wait(PARK_LIMIT) or not self.alive:
            raise ServiceError("The HTTP upstream does not hold its replies. Try again.")

    def held(self):
        with self._changed:
            return list(self._parked)

    def release(self, tokens=None):
        with self._changed:
            self._parked = [token for token in self._parked if tokens is not None and token not in tokens]
        self._order(op="release", tokens=None if tokens is None else list(tokens))

    def stop(self):
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg") and self.alive:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _order(self, **order):
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise ServiceError("The HTTP upstream ended. Try again.") from None

    def _read(self):
        with contextlib.suppress(ValueError):
            for line in self._process.stdout:
                news = json.loads(line)
                if "port" in news:
                    self.url = f"http://127.0.0.1:{news['port']}"
                    self._ready.set()
                if "parking" in news:
                    self._holding.set()
                with self._changed:
                    if "parked" in news:
                        self._parked.append(news["parked"])
                    if news.get("left") in self._parked:
                        self._parked.remove(news["left"])
        self._ready.set()
        self._holding.set()
