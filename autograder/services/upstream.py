"""The course's HTTP service: a small ASGI app on uvicorn, in its own process.

``GET /items/{token}`` responds with ``{"item": token, "price": number}`` after ``?wait=`` seconds (0 without it), or, while
the service holds its replies, when it's released. The process gets orders on stdin and sends news on stdout, so an app that
only knows its address can't release a reply.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from autograder.managed_process import ManagedProcess
from autograder.paths import PROGRAMS
from autograder.programs import connection_owner, messages, private
from autograder.programs.messages import decode, encode
from autograder.programs.messages.upstream import (
    UPSTREAM_NEWS,
    AdmitUsers,
    Called,
    Done,
    EndConnections,
    Held,
    HoldReplies,
    Left,
    Listening,
    OpenRoom,
    RefuseCalls,
    ReleaseReplies,
    ReportCalls,
    UpstreamNews,
    UpstreamOrder,
    UpstreamSettings,
)
from autograder.sandbox import bubblewrap, launcher, server_profile
from autograder.services.base import Service, ServiceError

START_LIMIT_S = 120.0  # s: only for a process that hangs; one that ends is noticed immediately
ORDER_LIMIT_S = 10.0  # s
PROGRAM = PROGRAMS / "upstream_server.py"


class HttpProcess:
    """The process of `upstream_server`. ``on_news`` is called with `Called`, `Held` or `Left`, in a thread of this object.

    Where bubblewrap works, it runs in a sandbox, whose only access to the network is the socket that it's passed.
    """

    def __init__(self, secret: bytes, on_news: Callable[[Called | Held | Left], None] = lambda news: None) -> None:
        self._on_news = on_news
        self._done: queue.SimpleQueue[Listening | Done | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._user: launcher.SandboxUser | None = None
        words: list[str] = []
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        if server_profile.unavailable() is None:
            self._user = launcher.free_user() if root else None
            shown = [
                *bubblewrap.pythons(),
                str(PROGRAM),
                connection_owner.__file__,
                private.__file__,
                *messages.__path__,
            ]
            words = server_profile.command(None, shown, self._user.id if self._user else None, setup=True)
        with contextlib.ExitStack() as handed_over:
            files: list[Any] = []
            if os.name == "posix":
                files.append(handed_over.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024)))
                netlink = connection_owner.opened()
                if netlink and connection_owner.works(handed_over.enter_context(netlink)):
                    files.append(netlink)
            numbers = [file.fileno() for file in files]
            command = [*words, sys.executable, "-I", PROGRAM, *([*numbers, "-", "-"][:2])]
            self._process = ManagedProcess(command, pass_fds=numbers)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            begun = self._order(START_LIMIT_S, UpstreamSettings(secret.hex()))
            if not isinstance(begun, Listening):
                raise ServiceError("The HTTP upstream did not say where it listens.")
            self.port = begun.port
            launcher.app_users.watch(self._admit)
        except ServiceError:
            self.stop()
            raise ServiceError(
                "The HTTP upstream did not start. Try again; if it stays so, the machine is overloaded."
            ) from None

    @property
    def alive(self) -> bool:
        return self._process.alive

    @property
    def pid(self) -> int:
        return self._process.pid

    def _admit(self, apps: frozenset[int]) -> None:
        """Serve only this process and the users of its apps. Another process's apps must not get what the apps of this one send."""
        own = [os.geteuid()] if hasattr(os, "geteuid") else []
        with contextlib.suppress(ServiceError):  # it's replaced
            self.order(AdmitUsers([*own, *sorted(apps)]))

    def order(self, order: UpstreamOrder) -> None:
        """Send an order, and wait until it's carried out.

        Raises `ServiceError` if the process has ended or doesn't answer in time. It's ended then, and has to be replaced: a late
        answer would be taken for the answer to the next order.
        """
        self._order(ORDER_LIMIT_S, order)

    def _order(self, limit: float, order: UpstreamOrder | UpstreamSettings) -> Listening | Done:
        with self._gate:
            try:
                self._process.send_line(encode(order))
                done = self._done.get(timeout=limit)
            except (OSError, ValueError, queue.Empty):
                done = None
        if done is None:
            self._process.end()
            raise ServiceError("The HTTP upstream ended, or does not answer. Try again.")
        return done

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # the pipe was closed, or the output is invalid
            for line in self._process.lines():
                news: UpstreamNews = decode(line, *UPSTREAM_NEWS)
                if isinstance(news, Listening | Done):
                    self._done.put(news)
                else:
                    self._on_news(news)
        self._done.put(None)

    def stop(self) -> None:
        """End the process."""
        launcher.app_users.unwatch(self._admit)
        self._process.end()
        self._process.close()
        if self._user is not None:
            self._user.free()
            self._user = None


class Upstream(Service):
    """The HTTP service and its process; ``url`` is its address."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Lock()
        self._held: list[str] = []
        self._server = HttpProcess(self._secret, self._take_in)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def _take_in(self, news: Called | Held | Left) -> None:
        if isinstance(news, Called):
            return self.count_call(news.token)
        with self._changed:
            if isinstance(news, Held):
                self._held.append(news.token)
            elif news.token in self._held:
                self._held.remove(news.token)

    @property
    def environment(self) -> dict[str, str]:
        return {"UPSTREAM_URL": self.url}

    def fresh_environment(self) -> dict[str, str]:
        """See `Service.fresh_environment`: end every connection and request, even one that would wait for an hour."""
        self._server.order(EndConnections())
        with self._changed:
            self._held.clear()
        return self.environment

    @property
    def alive(self) -> bool:
        return self._server.alive

    def prepare(self, tokens: list[str]) -> None:
        """Do nothing: the reply is computed from the token of a call."""

    def hold(self) -> None:
        with self._changed:
            self._held.clear()
        self._server.order(HoldReplies())  # when this returns, no later request gets a reply

    def held(self) -> list[str]:
        with self._changed:
            return list(self._held)

    def release(self, tokens: list[str] | None = None) -> None:
        with self._changed:
            self._held = [token for token in self._held if tokens is not None and token not in tokens]
        self._server.order(ReleaseReplies(None if tokens is None else list(tokens)))

    def refuse(self, tokens: list[str]) -> None:
        with self._changed:
            self._held = [token for token in self._held if token not in tokens]
        self._server.order(RefuseCalls(list(tokens)))

    def calls(self, tokens: Iterable[str]) -> dict[str, int]:
        """See `Service.calls`; exact for every call that has been answered or held. Raises `ServiceError`."""
        self._server.order(ReportCalls())  # when it's carried out, the news of all earlier calls have arrived
        return super().calls(tokens)

    def stop(self) -> None:
        self._server.stop()


class Rooms:
    """A process with rooms, each with a gate that a test controls over HTTP.  A context manager."""

    def __init__(self) -> None:
        self._server = HttpProcess(secrets.token_bytes(16))

    def room(self) -> str:
        """Return the address of a new room, which can't be guessed."""
        name = secrets.token_hex(8)
        self._server.order(OpenRoom(name))
        return f"http://127.0.0.1:{self._server.port}/{name}"

    def __enter__(self) -> Rooms:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
