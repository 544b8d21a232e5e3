"""Orders to the HTTP upstream and its news, between `autograder.services.upstream` and upstream_server.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from . import Message


@dataclass(frozen=True)
class UpstreamSettings(Message):
    """The settings that the process needs before it serves.

    Args:
        secret: The key from which prices are derived, in hexadecimal.
    """

    kind: ClassVar[str] = "settings"
    secret: str


@dataclass(frozen=True)
class AdmitUsers(Message):
    """Accept connections only of the users with these ids from now on; before the first such order, of none."""

    kind: ClassVar[str] = "users"
    users: list[int]


@dataclass(frozen=True)
class HoldReplies(Message):
    """Hold every reply from now on."""

    kind: ClassVar[str] = "hold"


@dataclass(frozen=True)
class ReleaseReplies(Message):
    """Release the replies for these tokens, or, with None, all of them, and hold no more."""

    kind: ClassVar[str] = "release"
    tokens: list[str] | None


@dataclass(frozen=True)
class RefuseCalls(Message):
    """Reply to the held calls for these tokens with an error, and keep holding."""

    kind: ClassVar[str] = "refuse"
    tokens: list[str]


@dataclass(frozen=True)
class OpenRoom(Message):
    """Open another room of this name."""

    kind: ClassVar[str] = "room"
    name: str


@dataclass(frozen=True)
class ReportCalls(Message):
    """Only answer with `Done`: all earlier calls have then been reported."""

    kind: ClassVar[str] = "count"


@dataclass(frozen=True)
class EndConnections(Message):
    """End every connection and request, so that the next app finds the upstream in its initial state."""

    kind: ClassVar[str] = "end connections"


UpstreamOrder = AdmitUsers | HoldReplies | ReleaseReplies | RefuseCalls | OpenRoom | ReportCalls | EndConnections
UPSTREAM_ORDERS: tuple[type[UpstreamOrder], ...] = get_args(UpstreamOrder)


@dataclass(frozen=True)
class Listening(Message):
    """The upstream serves on this port of loopback."""

    kind: ClassVar[str] = "listening"
    port: int


@dataclass(frozen=True)
class Done(Message):
    """The newest order was carried out."""

    kind: ClassVar[str] = "order done"


@dataclass(frozen=True)
class Called(Message):
    """A call for this token has arrived."""

    kind: ClassVar[str] = "called"
    token: str


@dataclass(frozen=True)
class Held(Message):
    """The reply for this token is held."""

    kind: ClassVar[str] = "held"
    token: str


@dataclass(frozen=True)
class Left(Message):
    """The client whose reply was held has disconnected."""

    kind: ClassVar[str] = "left"
    token: str


UpstreamNews = Listening | Done | Called | Held | Left
UPSTREAM_NEWS: tuple[type[UpstreamNews], ...] = get_args(UpstreamNews)
