"""The base of services that hold replies themselves: which calls have arrived, and which are released."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable

from autograder.services.base import Service

HELD_LIMIT = 1000  # calls that are held at a time; further ones get no reply. An exercise makes at most 45.
CONNECTIONS_LIMIT = 512  # open connections of one gate; further ones are closed
LINE_LIMIT = 300  # bytes of the line that a client sends
LINE_LIMIT_S = 10.0  # s in which that line must arrive


class Gate(Service):
    """A service that holds each arriving call as a function that sends the reply."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Lock()
        self._holding = False
        self._held: list[tuple[str, Callable[[], None]]] = []  # in the order of arrival

    def arrive(self, token: str, go: Callable[[], None]) -> None:
        """Count a call for ``token``. Hold it if the service holds its replies, else call ``go`` immediately."""
        self.count_call(token)
        with self._gate:
            if self._holding:
                if len(self._held) < HELD_LIMIT:
                    self._held.append((token, go))
                else:
                    self.drop(go)
                return
        go()

    def drop(self, go: Callable[[], None]) -> None:
        """Give back what a call uses that will never be answered."""

    def leave(self, go: Callable[[], None]) -> None:
        """Remove the call that ``go`` would have answered, because its client has disconnected."""
        with self._gate:
            self._held = [entry for entry in self._held if entry[1] is not go]

    def forget(self) -> None:
        """Drop all held calls, because the app that made them has ended."""
        with self._gate:
            self._drop_all()

    def _drop_all(self) -> None:
        for _, go in self._held:
            self.drop(go)
        self._held.clear()

    def hold(self) -> None:
        with self._gate:
            self._drop_all()
            self._holding = True

    def held(self) -> list[str]:
        with self._gate:
            return [token for token, _ in self._held]

    def release(self, tokens: list[str] | None = None) -> None:
        with self._gate:
            if tokens is None:
                self._holding = False
                tokens = [token for token, _ in self._held]
            wanted = set(tokens)
            going = [entry for entry in self._held if entry[0] in wanted]
            self._held = [entry for entry in self._held if entry[0] not in wanted]
        for _, go in going:
            go()


class SocketGate(Gate):
    """A gate on a port of this machine. A client sends ``secret token`` as a line, and gets a line when it's released.

    One thread serves all connections. ``secret`` keeps out other users of the machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.secret = secrets.token_hex(16)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._going: list[Caller] = []
        self._callers: set[Caller] = set()
        self._stopping = False
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    @property
    def ports(self) -> list[int]:
        return [self.port]

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def prepare(self, tokens: list[str]) -> None:
        """Do nothing: the reply is computed when a call comes."""

    def answer(self, token: str) -> str:
        """Return the line that is sent for a token."""
        return str(self.reply(token))

    def stop(self) -> None:
        self._stopping = True
        self._awake()
        if self._thread is not threading.current_thread():
            self._thread.join(5)

    def _awake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def _run(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select(1.0):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._woken:
                        with contextlib.suppress(OSError):
                            self._woken.recv(4096)
                    else:
                        self._read(key.data)
                while self._going:
                    self._reply(self._going.pop(0))
                late = time.monotonic() - LINE_LIMIT_S
                for caller in [c for c in self._callers if c.token is None and c.since < late]:
                    self._close(caller)
        finally:
            for caller in list(self._callers):
                self._close(caller)
            self._selector.close()
            for end in (self._listener, self._wake, self._woken):
                end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            if len(self._callers) >= CONNECTIONS_LIMIT:
                connection.close()
                return
            connection.setblocking(False)
            caller = Caller(connection)
            self._callers.add(caller)
            self._selector.register(connection, selectors.EVENT_READ, caller)

    def _read(self, caller: Caller) -> None:
        try:
            data = caller.connection.recv(LINE_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._close(caller)
        if caller.token is not None:
            return None  # more than one line
        caller.line += data
        if b"\n" not in caller.line:
            return self._close(caller) if len(caller.line) > LINE_LIMIT else None
        secret, _, token = caller.line.partition(b"\n")[0].decode(errors="replace").strip().partition(" ")
        if not token or not hmac.compare_digest(secret.encode(), self.secret.encode()):
            return self._close(caller)
        caller.token = token
        caller.go = lambda: self._release(caller)
        self.arrive(token, caller.go)
        return None

    def _release(self, caller: Caller) -> None:
        self._going.append(caller)
        self._awake()

    def _reply(self, caller: Caller) -> None:
        if caller in self._callers:
            assert caller.token is not None  # it has arrived with one
            with contextlib.suppress(OSError):
                caller.connection.send(
                    f"{self.answer(caller.token)}\n".encode()
                )  # a few bytes, which fit into the buffer
            caller.answered = True
            self._close(caller)

    def _close(self, caller: Caller) -> None:
        if caller not in self._callers:
            return
        self._callers.discard(caller)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._selector.unregister(caller.connection)
        caller.connection.close()
        if caller.go is not None and not caller.answered:
            self.leave(caller.go)


class Caller:
    """A client's connection: ``line`` is what it has sent so far, ``token`` the token of its call."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.since = time.monotonic()
        self.line = b""
        self.token: str | None = None
        self.go: Callable[[], None] | None = None
        self.answered = False
