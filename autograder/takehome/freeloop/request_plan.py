"""Plan the requests of an audit from the service's OpenAPI schema, its routes, and a file with values.

Only GET endpoints are called, unless the user names others. A parameter's value comes from the values file, or else from
``example``, ``examples``, ``default`` or ``enum`` in the schema, or else it's guessed from the type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

SAFE_METHODS = ("GET",)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
SCHEMA_DEPTH = 8  # levels of a schema that are followed, because a schema may contain itself
_GUESSES: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "string": "example", "null": None}
_FORMATS = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "someone@example.com",
    "uri": "http://127.0.0.1/",
}


@dataclass(frozen=True)
class PlannedRequest:
    """A request that the audit sends repeatedly. ``route`` is its path with parameters in braces, ``path`` with their values.

    ``guessed`` names the parameters whose values were guessed.
    """

    method: str
    route: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    guessed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The method and route, as in ``GET /items/{item_id}``."""
        return f"{self.method} {self.route}"


@dataclass(frozen=True)
class RequestPlan:
    """The requests of an audit, and the reasons why endpoints are skipped, by the endpoint's name."""

    requests: tuple[PlannedRequest, ...]
    skipped: Mapping[str, str]


class PlanError(ValueError):
    """An option or the values file names something that the service doesn't have. The message says what."""


def plan(
    openapi: Mapping[str, Any] | None,
    routes: Sequence[Sequence[Any]],
    include: Sequence[str] = (),
    only: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> RequestPlan:
    """Return the requests for a service.

    ``routes`` has (methods, path) pairs, for endpoints that the schema doesn't contain. ``include`` has methods ("POST") or
    endpoints ("POST /orders") to call in addition to the safe ones. ``only`` restricts the audit to these endpoints or paths.
    ``values`` maps parameter names to values, and endpoints to ``{"path": {}, "query": {}, "headers": {}, "json": ...}``.
    Raise `PlanError` if a named endpoint doesn't exist.
    """
    operations = _operations(openapi or {}, routes)
    _check_names([*include, *only, *(name for name in values or {} if " " in name)], operations)
    requests, skipped = [], {}
    for (method, route), operation in operations.items():
        name = f"{method} {route}"
        if only and name not in only and route not in only:
            continue
        if method not in SAFE_METHODS and method not in include and name not in include:
            skipped[name] = f'it may change something: name it with --include {method} or --include "{name}"'
            continue
        requests.append(_request(method, route, operation, openapi or {}, values or {}, headers or {}))
    return RequestPlan(tuple(requests), skipped)


def _operations(
    openapi: Mapping[str, Any], routes: Sequence[Sequence[Any]]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for path, item in (openapi.get("paths") or {}).items():
        for method, operation in item.items():
            if method.upper() in METHODS:
                shared = item.get("parameters", [])
                found[method.upper(), path] = {**operation, "parameters": [*shared, *operation.get("parameters", [])]}
    own = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"} if openapi else set()
    for methods, path in routes:
        plain = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
        for method in methods:
            if method not in ("HEAD", "OPTIONS") and plain not in own:
                found.setdefault((method, plain), {})
    return found


def _check_names(names: Sequence[str], operations: Mapping[tuple[str, str], Any]) -> None:
    known = {f"{method} {route}" for method, route in operations} | {route for _, route in operations} | set(METHODS)
    for name in names:
        if name not in known:
            raise PlanError(f"the service has no endpoint {name!r}; it has {', '.join(sorted(known - set(METHODS)))}")


def _request(
    method: str,
    route: str,
    operation: Mapping[str, Any],
    openapi: Mapping[str, Any],
    values: Mapping[str, Any],
    headers: Mapping[str, str],
) -> PlannedRequest:
    own = values.get(f"{method} {route}", {})
    guessed: list[str] = []
    parameters = {
        (p.get("in"), p.get("name")): p for p in (_resolve(p, openapi) for p in operation.get("parameters", []))
    }

    def value(place: str, name: str) -> Any:
        given = own.get({"header": "headers"}.get(place, place), {})
        if name in given:
            return given[name]
        if name in values and " " not in name:
            return values[name]
        parameter = parameters.get((place, name), {})
        found, certain = example(parameter, openapi)
        if not certain:
            guessed.append(name)
        return found

    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: quote(_text(value("path", match[1])), safe=""), route)
    wanted = [name for (place, name), p in parameters.items() if place == "query" and p.get("required")]
    query: dict[str, Any] = {str(name): value("query", str(name)) for name in wanted} | dict(own.get("query", {}))
    if query:
        path += "?" + urlencode({name: _text(item) for name, item in query.items()})
    sent = {str(name): _text(value("header", str(name))) for (place, name), p in parameters.items()
            if place == "header" and p.get("required")}  # fmt: skip
    sent = {**sent, **headers, **{name: _text(item) for name, item in own.get("headers", {}).items()}}
    body = None
    content = _resolve(operation.get("requestBody", {}), openapi).get("content", {})
    if "json" in own:
        body = json.dumps(own["json"]).encode()
    elif "application/json" in content:
        found, certain = example(content["application/json"], openapi)
        if not certain:
            guessed.append("body")
        body = json.dumps(found).encode()
    if body is not None:
        sent.setdefault("content-type", "application/json")
    return PlannedRequest(method, route, path, sent, body, tuple(guessed))


def example(described: Mapping[str, Any], openapi: Mapping[str, Any], depth: int = SCHEMA_DEPTH) -> tuple[Any, bool]:
    """Return (value, True) if a parameter, media type or schema contains an example value, else (a guess, False)."""
    described = _resolve(described, openapi)
    if "example" in described:
        return described["example"], True
    examples = described.get("examples")
    if isinstance(examples, Mapping) and examples:
        return next(iter(examples.values())).get("value"), True
    if isinstance(examples, Sequence) and examples:
        return examples[0], True
    if "schema" in described:
        return example(described["schema"], openapi, depth)
    for key in ("default", "const"):
        if key in described:
            return described[key], True
    if described.get("enum"):
        return described["enum"][0], True
    for key in ("anyOf", "oneOf", "allOf"):
        if described.get(key) and depth:
            return example(described[key][0], openapi, depth - 1)
    kind = described.get("type", "string")
    if kind == "object":
        found, certain = {}, True
        for name, inner in (described.get("properties") or {}).items() if depth else ():
            value, known = example(inner, openapi, depth - 1)
            if name in described.get("required", []) or known:
                found[name] = value
                certain = certain and known
        return found, certain
    if kind == "array":
        value, known = example(described.get("items", {}), openapi, depth - 1) if depth else (None, False)
        return ([value], known) if depth else ([], False)
    low = described.get("minimum", described.get("exclusiveMinimum"))
    if kind in ("integer", "number") and low is not None:
        return (low + 1 if "exclusiveMinimum" in described else max(low, 1)), False
    guess = _FORMATS.get(described.get("format", ""), _GUESSES.get(kind if isinstance(kind, str) else "", "example"))
    return guess, False


def _resolve(described: Mapping[str, Any], openapi: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(SCHEMA_DEPTH):
        target = described.get("$ref")
        if not isinstance(target, str) or not target.startswith("#/"):
            return described
        found: Any = openapi
        for part in target[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {})
        described = found
    return described


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
