"""What can go wrong around the course, said in one sentence that ends in the way out."""

from __future__ import annotations

import errno


class SetupError(Exception):
    """An expected failure: its text is all that the user is shown."""


class UserFacingError(Exception):
    """An error of which a notebook shows the message, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        # IPython prints this line instead of a traceback through our own code
        return [str(self)]


DISK = "The disk is full: free about 1 GB where this clone lies (and in the temporary folder), then run it again."
NETWORK = (
    "The package index cannot be reached: check the network (or the proxy, or the mirror in pip's configuration), "
    "then run it again; it goes on from here."
)
HASHES = (
    "A downloaded package is not the one that the course was locked with, so nothing of it was installed: "
    "a mirror or proxy in between may be altering files; try another network, or report it."
)
READ_ONLY = "This clone cannot be written to: clone it again into a folder of your own, and run it there."
INTERRUPTED = "Stopped before the set-up was done: run it again, and it goes on."

# What pip, uv and the operating system say, in the order in which it is to be believed: a full disk and a wrong
# hash are certain, while "connection" turns up in many a message that ends in one of those.
_SIGNS = (
    (
        DISK,
        ("no space left on device", "os error 28", "errno 28", "disk quota exceeded", "not enough space on the disk"),
    ),
    (HASHES, ("hash mismatch", "do not match the hashes", "hashes are required")),
    (READ_ONLY, ("read-only file system", "os error 30", "errno 30", "permission denied", "os error 13", "errno 13")),
    (
        NETWORK,
        (
            "dns error",
            "name resolution",
            "name or service not known",
            "nodename nor servname",
            "getaddrinfo",
            "connection refused",
            "connection broken",
            "connection reset",
            "connection error",
            "connection aborted",
            "failed to establish",
            "error sending request",
            "network is unreachable",
            "max retries exceeded",
            "timed out",
            "connecttimeout",
            "readtimeout",
            "failed to fetch",
            "failed to download",
            "client error (connect)",
            "network connectivity",
            "tunnel connection failed",
            "proxyerror",
            "sslerror",
            "certificate verify failed",
        ),
    ),
)


def recognise(output: str) -> str | None:
    """The sentence for what an installer printed, or None when it is not one of the known troubles."""
    text = output.lower()
    for sentence, signs in _SIGNS:
        if any(sign in text for sign in signs):
            return sentence
    return None


def of_os_error(error: OSError) -> str | None:
    """The sentence for an OSError of our own making, or None."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DISK
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return READ_ONLY
    return None
