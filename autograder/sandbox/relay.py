"""Carries bytes between an app in its sandbox and the services that its exercise names.

The sandbox has a network of its own, with nothing in it. Its first process opens a listener there for each service and
sends it to us, so a connection that the app makes arrives here, and is carried to the real service.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


Address = tuple[str, int] | str  # a host and a port, or the path of a Unix socket

CHUNK = 1 << 16
QUEUE = 1 << 20  # bytes that wait for a slow reader before its partner is read no further


class Proxy:
    """One thread that carries all connections of all apps of this process."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, wakened = socket.socketpair()
        wakened.setblocking(False)
        self._todo: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._selector.register(wakened, selectors.EVENT_READ, lambda _: self._work(wakened))
        self._thread = threading.Thread(target=self._run, name="sandbox-relay", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while connections are carried."""
        return self._thread.is_alive()

    def carry(self, listener: socket.socket, address: Address) -> None:
        """Take connections from ``listener`` to ``address`` until `drop`."""
        listener.setblocking(False)
        self._do(
            lambda: self._selector.register(listener, selectors.EVENT_READ, lambda _: self._accept(listener, address))
        )

    def drop(self, listener: socket.socket) -> None:
        """Close a listener; connections that it brought live until one of their ends closes."""

        def close() -> None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(listener)
            listener.close()

        self._do(close)

    def _do(self, work: Callable[[], object]) -> None:
        with self._lock:
            self._todo.append(work)
        self._wake.send(b"x")

    def _work(self, wakened: socket.socket) -> None:
        wakened.recv(CHUNK)
        with self._lock:
            todo, self._todo = self._todo, []
        for work in todo:
            work()

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select():
                with contextlib.suppress(OSError, KeyError, ValueError):
                    key.data(events)

    def _accept(self, listener: socket.socket, address: Address) -> None:
        """Take one connection, and connect it to ``address``; one that cannot be is closed."""
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
        for end in (near, far):
            end.setblocking(False)
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # to a Unix socket it is connected at once or not at all
        if far.connect_ex(address) and isinstance(address, str):
            near.close()
            far.close()
            return
        ProxiedConnection(self._selector, near, far)


class ProxiedConnection:
    """Two ends of one connection."""

    def __init__(self, selector: selectors.BaseSelector, near: socket.socket, far: socket.socket) -> None:
        self.selector = selector
        self.ends = (near, far)
        self.waiting = {near: bytearray(), far: bytearray()}  # bytes to be written to that end
        self.ended: set[socket.socket] = set()  # ends that will send no more
        self.shut: set[socket.socket] = set()  # ends that have been told that no more will come
        for end in self.ends:
            selector.register(end, selectors.EVENT_READ, lambda events, end=end: self.turn(end, events))

    def turn(self, end: socket.socket, events: int) -> None:
        """Read from and write to one end, as far as ``events`` say that it is ready."""
        other = self.ends[1 - self.ends.index(end)]
        try:
            if events & selectors.EVENT_WRITE and self.waiting[end]:
                del self.waiting[end][: end.send(self.waiting[end])]
            if events & selectors.EVENT_READ and end not in self.ended:
                data = end.recv(CHUNK)
                if data:
                    self.waiting[other] += data
                    with contextlib.suppress(BlockingIOError):
                        del self.waiting[other][: other.send(self.waiting[other])]
                else:
                    self.ended.add(end)
        except BlockingIOError:
            pass
        except OSError as problem:
            if problem.errno != 107 or end is self.ends[1]:  # not connected yet is no end
                return self.close()
        for one, partner in (self.ends, self.ends[::-1]):
            if partner in self.ended and not self.waiting[one] and one not in self.shut:
                self.shut.add(one)
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_WR)
        if len(self.shut) == 2:
            return self.close()
        self.watch()

    def watch(self) -> None:
        """Tell the selector which events of each end matter now."""
        for one, partner in (self.ends, self.ends[::-1]):
            events = selectors.EVENT_WRITE if self.waiting[one] else 0
            if one not in self.ended and len(self.waiting[partner]) < QUEUE:
                events |= selectors.EVENT_READ
            known = one in self.selector.get_map()
            if events and known:
                key = self.selector.get_key(one)
                if key.events != events:
                    self.selector.modify(one, events, key.data)
            elif events:
                self.selector.register(one, events, lambda seen, one=one: self.turn(one, seen))
            elif known:
                self.selector.unregister(one)

    def close(self) -> None:
        """Close both ends."""
        for end in self.ends:
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(end)
            end.close()
