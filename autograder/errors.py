"""The exception tree of the course, and messages for failures of the set-up.

Every exception whose message a user sees derives from `UserFacingError`, wherever it's defined:

    UserFacingError                  a notebook and ./course show its message, and no traceback
    ├── SetupError                   the environment, or what a command needs, can't be installed
    ├── ExerciseError                an exercise's files are invalid
    ├── CourseError                  an nbgrader course can't be used
    ├── LessonMismatch               a course's lesson isn't the one that this clone has
    ├── UnreadableSubmission         a submission isn't a notebook that can be graded
    │   ├── WrongNotebook            it's the notebook of another lesson
    │   └── AnotherVariant           it's for the variant of another student
    ├── RefusedSubmission            nbgrader must not grade a submission
    ├── CheckFailed                  a check in a notebook didn't pass; also an AssertionError
    ├── AppError                     an app can't be served or raced: the learner can fix it
    ├── Inconclusive                 the machine was too busy to tell, or lacks something
    ├── StartTimeout                 the machine is too busy to start an app; also a TimeoutError
    ├── LoadGeneratorGone            the process that sends the requests ended
    ├── ServiceError                 a service that apps call can't run
    ├── SandboxError                 an app can't be sandboxed on this machine
    │   └── ProbeLost                the trial of a level of isolation was killed from outside: it's tried again
    ├── IsolationUnavailable         this machine doesn't support the requested isolation
    ├── JobRefused                   no grading worker can be started
    └── NoQuota                      this machine can't set a CPU quota

`Interrupted`, which stops a cell, is an `asyncio.CancelledError`. No user sees these, the caller turns each into something else:

    AnswerFault                      a proof failed: becomes a FAIL with its diagnosis
    └── AnsweredTooEarly             as long as the barrier wasn't reached
    _HiddenProcess                   a process can't be counted while it runs: all are stopped for a moment, and counted again
    Disconnected                     a connection ended in the middle of a response: becomes the response's error
    MessageError                     the data in a pipe isn't a message: the sender counts as ended, or as forging
    LacksKey                         a table of exercise.toml lacks a key: becomes an ExerciseError
    Failed                           a step of the set-up, or an app's start, failed: becomes a SetupError or an AppError
"""

from __future__ import annotations

import errno


class UserFacingError(Exception):
    """An expected failure. The user sees only its message."""

    def _render_traceback_(self) -> list[str]:
        # IPython prints this line instead of a traceback through the course's code
        return [str(self)]


class SetupError(UserFacingError):
    """The environment, or what a command needs, can't be installed."""


DISK = "The disk is full: free about 1 GB where this clone lies (and in the temporary folder), then run it again."
NETWORK = (
    "The package index cannot be reached: check the network (or the proxy, or the mirror in pip's configuration), "
    "then run it again; it continues where it stopped."
)
HASHES = (
    "A downloaded package doesn't have the hash in the course's lock file, so it wasn't installed: "
    "a mirror or proxy may be altering files. Try another network, or report it."
)
READ_ONLY = "This clone cannot be written to: clone it again into a folder of your own, and run it there."
INTERRUPTED = "Stopped before the set-up was done: run it again to continue."

# Parts of messages of pip, uv and the operating system, the most reliable first: a full disk and a wrong hash are certain,
# while "connection" also occurs in output that ends with one of those.
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
    """Return the message for an installer's output, or None if it isn't a known problem."""
    text = output.lower()
    for sentence, signs in _SIGNS:
        if any(sign in text for sign in signs):
            return sentence
    return None


def of_os_error(error: OSError) -> str | None:
    """Return the message for an OSError of this process, or None if there is none."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DISK
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return READ_ONLY
    return None
