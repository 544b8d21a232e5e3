"""The part of parking that services share: who has arrived, who may go."""

import contextlib
import socket
import threading

from autograder.services.base import Service


class Gate(Service):
    """A service that is told of each arrival, with a function that lets it go."""

    def __init__(self):
        super().__init__()
        self._gate = threading.Lock()
        self._holding = False
        self._held = []  # (token, function), in the order of arrival

    def arrive(self, token, go):
        """Somebody asks for ``token``: hold them while the service parks, else call ``go`` at once."""
        with self._gate:
            if self._holding:
                self._held.append((token, go))
                return
        go()

    def leave(self, token):
        """Whoever asked for ``token`` has given up."""
        with self._gate:
            self._held = [entry for entry in self._held if entry[0] != token]

    def hold(self):
        with self._gate:
            self._held.clear()
            self._holding = True

    def held(self):
        with self._gate:
            return [token for token, _ in self._held]

    def release(self, tokens=None):
        with self._gate:
            if tokens is None:
                self._holding = False
                tokens = {token for token, _ in self._held}
            going = [entry for entry in self._held if entry[0] in tokens]
            self._held = [entry for entry in self._held if entry[0] not in tokens]
        for _, go in going:
            go()


class SocketGate(Gate):
    """A gate at a port of this machine: whoever connects sends a token as a line, and is sent a line when let go."""

    def __init__(self):
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def ports(self):
        return [self.port]

    @property
    def alive(self):
        return self._thread.is_alive()

    def prepare(self, tokens):
        """Nothing to do: a reply is made when somebody asks."""

    def answer(self, token):
        """What is sent for a token, as text."""
        return str(self.reply(token))

    def stop(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread is not threading.current_thread():
            self._thread.join(5)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(10)
            token = connection.makefile(errors="replace").readline(200).strip()
            going = threading.Event()
            self.arrive(token, going.set)
            connection.settimeout(0.05)
            while not going.is_set():
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        return self.leave(token)  # whoever asked is gone
            connection.sendall(f"{self.answer(token)}\n".encode())
