"""The byte proxy, over real sockets: no connection is lost, and each end sees what it would see without the proxy."""

import os
import socket
import stat
import struct
import threading
import time

import pytest

from autograder.programs import proxy
from autograder.programs.proxy import QUEUE_LIMIT, Proxy

pytestmark = pytest.mark.posix
LIMIT_S = 60  # s after which a socket of a test raises `TimeoutError`; nothing waits for as long


@pytest.fixture
def unix(tmp_path):
    """A function that creates a listener on a new Unix socket."""
    listeners = []

    def listen(backlog):
        listener = socket.socket(socket.AF_UNIX)
        listener.settimeout(LIMIT_S)
        listener.bind(str(tmp_path / f"{len(listeners)}"))
        listener.listen(backlog)
        listeners.append(listener)
        return listener

    yield listen
    for listener in listeners:
        listener.close()


@pytest.fixture
def front():
    """A function that returns the TCP address from which a proxy carries to ``address``."""
    carrier = Proxy()
    listeners = []

    def carry(address):
        listeners.append(socket.create_server(("127.0.0.1", 0), backlog=100))
        carrier.carry(listeners[-1], address)
        return listeners[-1].getsockname()

    yield carry
    assert carrier.alive
    for listener in listeners:
        carrier.drop(listener)


def connect(address):
    client = socket.create_connection(address, timeout=LIMIT_S)
    client.settimeout(LIMIT_S)
    return client


def accept(listener):
    server, _ = listener.accept()
    server.settimeout(LIMIT_S)
    return server


def fill(listener):
    """Connect until the backlog is full, and return the connections."""
    found = []
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        found.append(client)
        try:
            client.connect(listener.getsockname())
        except BlockingIOError:
            return found


def test_full_backlog_loses_no_connection(unix, front):
    """A Unix socket whose backlog is full turns a non-blocking connection away with EAGAIN: it has to be tried again.

    The server of a correct app does that on a busy machine, when the process that accepts gets no CPU.
    """
    late, prompt = unix(1), unix(100)
    fillers = fill(late)
    late_front, prompt_front = front(late.getsockname()), front(prompt.getsockname())
    clients = [connect(late_front) for _ in range(20)]
    for number, client in enumerate(clients):
        client.sendall(b"%d\n" % number)
    # each of these takes the proxy at least once through all listeners that have a connection for it
    for _ in range(3 * len(clients)):
        with connect(prompt_front), accept(prompt):
            pass
    for filler in fillers:
        filler.close()
    asked = []
    while len(asked) < len(clients):
        with accept(late) as server, server.makefile("rb") as lines:
            if line := lines.readline():  # it's no filler
                asked.append(line)
                server.sendall(b"you sent " + line)
    assert [client.makefile("rb").readline() for client in clients] == [b"you sent %d\n" % n for n in range(20)]
    for client in clients:
        client.close()


def test_refused_connection_is_closed(tmp_path, front):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nothing = closed.getsockname()
    for address in (str(tmp_path / "nothing"), nothing):
        with connect(front(address)) as client:
            assert client.recv(1) == b""


def test_half_close_is_carried(unix, front):
    """An end that will send no more still gets what the other one sends: also large amounts, to a slow reader."""
    listener = unix(1)
    data = os.urandom(3 * QUEUE_LIMIT)
    with connect(front(listener.getsockname())) as client, accept(listener) as server:
        client.sendall(b"the request")
        client.shutdown(socket.SHUT_WR)
        assert server.makefile("rb").read() == b"the request"
        sender = threading.Thread(target=lambda: (server.sendall(data), server.shutdown(socket.SHUT_WR)))
        sender.start()
        assert client.makefile("rb").read() == data
        sender.join()


def test_tcp_is_not_delayed(front):
    """Both ends of the proxy send small messages at once (TCP_NODELAY)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with connect(front(listener.getsockname())) as client, accept(listener) as server:
            client.sendall(b"x")
            assert server.recv(1) == b"x"
            ends = {client.getsockname(), server.getsockname()}  # the peers of the proxy's ends, and of no other
            delayed = {peer: delay for peer, delay in delays() if peer in ends}
    assert delayed == dict.fromkeys(ends, False)


def delays():
    """(address of its peer, True if it delays small messages) of each connected TCP socket of this process."""
    for name in os.listdir("/dev/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue  # a copy of a lifeline would keep its process alive
            with socket.socket(fileno=os.dup(int(name))) as sock:
                if sock.family == socket.AF_INET:
                    yield sock.getpeername(), not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        except OSError:
            continue  # no socket, not connected, or closed just now


def test_closed_proxy_leaves_nothing(unix):
    """Its thread ends and its connections are closed, also a listener that's given up later; to close it again is no error."""
    proxy, target = Proxy(), unix(5)
    front, late = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    proxy.carry(front, target.getsockname())
    proxy.carry(late, target.getsockname())
    client = connect(front.getsockname())
    server = accept(target)
    for _ in range(2):
        proxy.close()
    proxy.drop(late)
    assert not proxy.alive and late.fileno() == front.fileno() == -1
    assert client.recv(1) == server.recv(1) == b""
    client.close()
    server.close()


def test_connections_have_a_limit(unix, front, monkeypatch):
    """A listener brings so many at a time. Those beyond wait, and come when others end, however they end."""
    monkeypatch.setattr(proxy, "CONNECTIONS_MAX", 3)
    server = unix(100)
    address = front(server.getsockname())
    clients = [connect(address) for _ in range(6)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    accepted = [accept(server) for _ in range(3)]
    server.settimeout(0.3)
    with pytest.raises(TimeoutError):
        server.accept()
    server.settimeout(LIMIT_S)
    accepted[0].close()
    accepted[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    accepted[1].close()
    clients[2].close()
    accepted[2].shutdown(socket.SHUT_WR)
    assert {accept(server).recv(1) for _ in range(3)} == {b"3", b"4", b"5"}


def test_lack_of_files_costs_little(unix, front):
    """A connection without a free file descriptor waits without a busy loop, and is proxied later."""
    import resource  # Windows has none

    server = unix(100)
    address = front(server.getsockname())
    client = socket.socket()
    client.settimeout(LIMIT_S)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.close(nothing)  # the lowest free number
    resource.setrlimit(resource.RLIMIT_NOFILE, (nothing, hard))
    try:
        client.connect(address)
        before = time.process_time()
        time.sleep(0.5)
        spent = time.process_time() - before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    client.sendall(b"x")
    assert accept(server).recv(1) == b"x" and spent < 0.1
    client.close()
