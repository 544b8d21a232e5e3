"""Finds out which user of this machine is at the other end of a TCP connection over loopback.

Linux reports that through a netlink socket (sock_diag(7)), for the network namespace in which the socket was created.
"""

from __future__ import annotations

import socket
import struct

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLMSG_ERROR, NLM_F_REQUEST = 4, 20, 2, 1
ALL_STATES, NO_COOKIE = 0xFFFFFFFF, 0xFFFFFFFF
HEADER = "=IHHII"  # nlmsghdr
UID_OFFSET = 16 + 4 + 48 + 3 * 4  # nlmsghdr, the start of inet_diag_msg with its id, three counters


def opened() -> socket.socket | None:
    """Return a netlink socket for `owner`, or None if the system has none."""
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    except OSError:
        return None


def owner(netlink: socket.socket, peer: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """Return the user id of the process at ``peer``, of a connection between two (host, port); None if it isn't known."""
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, ALL_STATES)
    request += struct.pack("!HH", peer[1], ours[1])
    request += socket.inet_aton(peer[0]) + bytes(12) + socket.inet_aton(ours[0]) + bytes(12)
    request += struct.pack("=III", 0, NO_COOKIE, NO_COOKIE)
    try:
        netlink.send(struct.pack(HEADER, 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + request)
        reply = netlink.recv(1 << 16)
    except OSError:
        return None
    if struct.unpack_from(HEADER, reply)[1] == NLMSG_ERROR or len(reply) < UID_OFFSET + 4:
        return None
    return struct.unpack_from("=I", reply, UID_OFFSET)[0]


def works(netlink: socket.socket) -> bool:
    """Return True if this kernel reports the owner of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        far, _ = server.accept()
        with far:
            return owner(netlink, far.getpeername(), near.getpeername()) is not None
