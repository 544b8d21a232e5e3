"""The requests that a test sends, and their replies."""

from __future__ import annotations

import json as notation
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union


@dataclass(frozen=True)
class Request:
    """A request. Its body is ``json``, unless that's None."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None

    @property
    def name(self) -> str:
        """The method and path, as in ``GET /items``."""
        return f"{self.method} {self.path}"

    @property
    def body(self) -> bytes | None:
        """The encoded body, or None."""
        return None if self.json is None else notation.dumps(self.json).encode()

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers with lower-case names, including ``content-type`` if there's a body."""
        own = {name.lower(): value for name, value in self.headers.items()}
        return {"content-type": "application/json", **own} if self.json is not None else own


@dataclass(frozen=True)
class Reply:
    """The response to a request. Without a response, ``status`` is None and ``error`` says why."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    def json(self) -> Any:
        """Return the parsed JSON body. Raise `ValueError` if it isn't JSON."""
        return notation.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


Requests = Union[str, Request, Iterable[Union[str, Request]]]  # noqa: UP007, evaluated in Python 3.10 too


def request_of(given: str | Request) -> Request:
    """Return the `Request` for a path, or for a text such as ``"POST /orders"``."""
    if isinstance(given, Request):
        return given
    method, space, path = given.partition(" ")
    return Request(method, path) if space and method.isupper() and path.startswith("/") else Request("GET", given)


def requests_of(given: Requests, n: int) -> list[Request]:
    """Return a list of requests: a single request ``n`` times, or each of several once."""
    if isinstance(given, (str, Request)):
        return [request_of(given)] * n
    return [request_of(one) for one in given]
