"""Forwards bytes between the connections of a listener and the address that the listener stands for.

A sandbox has its own network, which is empty. Its first process opens a listener there for each service that the exercise
names and sends it to the launcher. A connection that the app makes then arrives in the launcher's process, which forwards it
to the real service. For a database server in a sandbox it's the other way round: the server listens on a Unix socket in its
folder, and its supervisor forwards a port of loopback to it. Scripts in ``programs/`` import this file by path, so it imports
nothing of the package.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
from collections.abc import Callable

Address = tuple[str, int] | str  # a host and a port, or the path of a Unix socket

READ_SIZE = 1 << 16  # bytes
QUEUE_LIMIT = 1 << 18  # bytes that wait for a slow reader before its partner is read no further
CONNECTIONS_MAX = (
    250  # of one listener at a time, five times what a race needs: each takes two descriptors, and two queues
)
RETRY_INTERVAL_S = 0.01  # s between two attempts to connect to a Unix socket whose backlog is full, or to accept


class Proxy:
    """One thread that forwards all connections of all its listeners. Thread-safe."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, woken = socket.socketpair()
        self._wake.setblocking(False)
        woken.setblocking(False)
        self._work: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._closing = self._closed = False
        self._retries: list[Callable[[], object]] = []  # connection attempts to repeat, because the backlog was full
        self._selector.register(woken, selectors.EVENT_READ, lambda _: self._do_work(woken))
        self._thread = threading.Thread(target=self._run, name="course-proxy", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while connections are forwarded."""
        return self._thread.is_alive()

    def carry(self, listener: socket.socket, address: Address) -> None:
        """Forward connections from ``listener`` to ``address`` until `drop`."""
        listener.setblocking(False)
        front = Front(listener, address)
        self._do(lambda: self._listen(front))

    def drop(self, listener: socket.socket) -> None:
        """Close a listener. Its connections stay open until one of their ends closes."""

        def close() -> None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(listener)
            listener.close()

        if not self._do(close):
            listener.close()

    def close(self) -> None:
        """Stop the thread and close every connection and listener. A second call does nothing."""

        def close() -> None:
            self._closing = True

        self._do(close)
        self._thread.join()

    def _do(self, work: Callable[[], object]) -> bool:
        """Have the thread call ``work``; return False if the proxy is closed."""
        with self._lock:
            if not self._closed:
                self._work.append(work)
                with contextlib.suppress(BlockingIOError):  # the wake-up pipe is full, so the thread wakes anyway
                    self._wake.send(b"x")
            return not self._closed

    def _do_work(self, woken: socket.socket) -> None:
        woken.recv(READ_SIZE)
        with self._lock:
            work, self._work = self._work, []
        for call in work:
            call()

    def _run(self) -> None:
        while not self._closing:
            retries, self._retries = self._retries, []  # what is added from here on is tried again after the next wait
            for key, events in self._selector.select(RETRY_INTERVAL_S if retries else None):
                with contextlib.suppress(OSError, KeyError, ValueError):
                    key.data(events)
            for retry in retries:
                with contextlib.suppress(OSError, KeyError, ValueError):
                    retry()
        with self._lock:
            self._closed = True
            for call in self._work:
                with contextlib.suppress(OSError, KeyError, ValueError):
                    call()
            for key in list((self._selector.get_map() or {}).values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()
            self._wake.close()
            self._selector.close()

    def _listen(self, front: Front) -> None:
        """Take connections of a listener, unless it's closed or has all that it may have."""
        if not front.listens and front.connections < CONNECTIONS_MAX and front.listener.fileno() >= 0:
            self._selector.register(front.listener, selectors.EVENT_READ, lambda _: self._accept(front))
            front.listens = True

    def _pause(self, front: Front) -> None:
        """Leave further connections of a listener in its backlog."""
        self._selector.unregister(front.listener)
        front.listens = False

    def _accept(self, front: Front) -> None:
        """Take one connection, and connect it to the address."""
        near = far = None
        try:
            near, _ = front.listener.accept()
            family = socket.AF_UNIX if isinstance(front.address, str) else socket.AF_INET
            far = socket.socket(family, socket.SOCK_STREAM)
        except OSError as problem:
            if near is not None:
                near.close()
            if problem.errno in (errno.EMFILE, errno.ENFILE):  # it would be ready again at once, and again
                self._pause(front)
                self._retries.append(lambda: self._listen(front))
            return
        for end in (near, far):
            end.setblocking(False)
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        front.connections += 1
        if front.connections >= CONNECTIONS_MAX:
            self._pause(front)
        self._connect(near, far, front)

    def _ended(self, front: Front) -> None:
        """Take note of the end of a connection."""
        front.connections -= 1
        self._listen(front)

    def _connect(self, near: socket.socket, far: socket.socket, front: Front) -> None:
        """Connect ``far``.  What ``near`` sends until then waits in the kernel; if there's no connecting, both are closed.

        A Unix socket connects immediately, or fails while its backlog is full. No event reports when that's over.
        """
        number = far.connect_ex(front.address)
        if number == 0:
            self._carry_between(near, far, front)
        elif number == errno.EAGAIN and far.family != socket.AF_INET:
            self._retries.append(lambda: self._connect(near, far, front))
        elif number in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._selector.register(far, selectors.EVENT_WRITE, lambda _: self._connected(near, far, front))
        else:
            self._refuse(near, far, front)

    def _connected(self, near: socket.socket, far: socket.socket, front: Front) -> None:
        self._selector.unregister(far)
        if far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            self._carry_between(near, far, front)
        else:
            self._refuse(near, far, front)

    def _carry_between(self, near: socket.socket, far: socket.socket, front: Front) -> None:
        ProxiedConnection(self._selector, near, far, lambda: self._ended(front))

    def _refuse(self, near: socket.socket, far: socket.socket, front: Front) -> None:
        near.close()
        far.close()
        self._ended(front)


class Front:
    """A listener, the address that it stands for, and how many connections it has brought that aren't over."""

    def __init__(self, listener: socket.socket, address: Address) -> None:
        self.listener = listener
        self.address = address
        self.connections = 0
        self.listens = False  # whether the selector watches it


class ProxiedConnection:
    """Two connected ends, non-blocking, between which bytes are carried until both have sent all, or one fails.

    ``ended`` is called when both are closed.
    """

    def __init__(
        self, selector: selectors.BaseSelector, near: socket.socket, far: socket.socket, ended: Callable[[], object]
    ) -> None:
        self._selector = selector
        self._when_ended = ended
        self._ends = (near, far)
        self._unsent = {near: bytearray(), far: bytearray()}  # bytes to be written to that end
        self._ended: set[socket.socket] = set()  # ends that will send no more
        self._shut: set[socket.socket] = set()  # ends whose sending direction was shut down
        self._watch()

    def _ready(self, end: socket.socket, events: int) -> None:
        """Read from and write to one end, as far as ``events`` say that it's ready."""
        other = self._ends[1 - self._ends.index(end)]
        try:
            if events & selectors.EVENT_WRITE and self._unsent[end]:
                del self._unsent[end][: end.send(self._unsent[end])]
            if events & selectors.EVENT_READ and end not in self._ended:
                data = end.recv(READ_SIZE)
                if data:
                    self._unsent[other] += data
                    with contextlib.suppress(BlockingIOError):
                        del self._unsent[other][: other.send(self._unsent[other])]
                else:
                    self._ended.add(end)
        except BlockingIOError:
            pass
        except OSError:
            return self._close()
        for one, partner in (self._ends, self._ends[::-1]):
            if partner in self._ended and not self._unsent[one] and one not in self._shut:
                self._shut.add(one)
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_WR)
        if len(self._shut) == 2:
            return self._close()
        self._watch()

    def _watch(self) -> None:
        """Register those events of each end that matter now."""
        for one, partner in (self._ends, self._ends[::-1]):
            events = selectors.EVENT_WRITE if self._unsent[one] else 0
            if one not in self._ended and len(self._unsent[partner]) < QUEUE_LIMIT:
                events |= selectors.EVENT_READ
            known = self._selector.get_map().get(one)
            if events and known:
                if known.events != events:
                    self._selector.modify(one, events, known.data)
            elif events:
                self._selector.register(one, events, lambda seen, one=one: self._ready(one, seen))
            elif known:
                self._selector.unregister(one)

    def _close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()
        self._when_ended()
