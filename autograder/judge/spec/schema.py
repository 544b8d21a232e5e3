"""The JSON Schema of exercise.toml, which editors use to complete keys and mark mistakes.

``python -m autograder.judge.spec.schema`` writes it to docs/exercise.schema.json. It's made from the tables that
`autograder.judge.spec.exercise` checks with, so the two can't differ in keys or words. What no schema can say (such as
a job that belongs to one service only) is checked there alone.
"""

from __future__ import annotations

import json
from typing import Any

from autograder import paths, services
from autograder.judge.spec import text_task
from autograder.judge.spec.endpoint import BARRIERS, MAX_RACE_SIZE, PARTS
from autograder.judge.spec.exercise import KEYS, KINDS

FILE = paths.ROOT / "docs" / "exercise.schema.json"
Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
NAME: Schema = {"type": "string", "pattern": r"^\w+$"}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
POINTS: Schema = {"type": "number", "minimum": 0}


def schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of an exercise.toml."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "exercise.toml",
        "description": "What an exercise asks, and how it's judged. docs/exercises.md explains every key.",
        "type": "object",
        "properties": {
            "lesson": _about("The name of the lesson's folder.", {"type": "string", "pattern": r"^\d\d_\w+$"}),
            "title": _about("The title of the exercise.", TEXT),
            "app": _app(),
            "endpoint": {"type": "array", "minItems": 1, "items": _endpoint()},
            "written": {"type": "array", "minItems": 1, "items": _written()},
        },
        "required": ["lesson", "title"],
        "anyOf": [{"required": ["endpoint"]}, {"required": ["written"]}],
        "additionalProperties": False,
    }


def _endpoint() -> Schema:
    known = {
        "id": _about("Names the cell, the answers' folder and the items of the verdict.", NAME),
        "file": _about("The file that the learner's cell is saved as.", {"type": "string", "pattern": r"^\w+\.py$"}),
        "title": _about("The heading of the endpoint.", TEXT),
        "request": _about(
            "Method and path, with {number}, {token} and {wait} for fresh values.",
            {"type": "string", "pattern": "^(GET|POST|PUT|DELETE) /"},
        ),
        "answer": _about("The expected response, as JSON.", {}),
        "points": _about("Points of each part.", _points(PARTS, ["concurrency"])),
        "service": _about("The service that the endpoint calls.", {"enum": list(services.KINDS)}),
        "upstream_calls": _about("Calls for each request.", {"type": "integer", "minimum": 1}),
        "requests": _about(
            "How many requests are sent together.", {"type": "integer", "minimum": 0, "maximum": MAX_RACE_SIZE}
        ),
        "starter": _about("The diagnosis that the starter must get.", _diagnosis()),
        "afterwards": _about("The service is called after the response.", {"type": "boolean"}),
        "responds_first": _about("With afterwards: the response must not wait.", {"type": "boolean"}),
        "cached": _about("At most one call for each token.", {"type": "boolean"}),
        "combined_with": _about("All other endpoints are requested together.", {"type": "boolean"}),
        "not_checked": _about("What passes all the same, as a sentence for learners.", TEXT),
        "job": _about('The job of service = "work".', {"enum": list(services.JOBS)}),
        "barrier": _about("What must be under way at the same moment.", {"enum": list(BARRIERS)}),
        "accepted": _about("Correct answers: file name = what it does.", TEXTS),
        "wrong": _about("Wrong answers: file name = the diagnosis that it must get.", _wrong()),
    }
    required = ["id", "title", "points"]
    return _table({key: known[key] for key in sorted(KEYS)}, required)


def _app() -> Schema:
    wrong = _diagnosis(endpoint=NAME)
    return _table(
        {
            "id": NAME,
            "file": TEXT,
            "accepted": TEXTS,
            "partly": {"type": "object", "additionalProperties": {"type": "array", "items": NAME}},
            "wrong": {"type": "object", "additionalProperties": wrong["anyOf"][1]},
        },
        ["id", "file"],
    )


def _written() -> Schema:
    places: Schema = {"type": "array", "items": {"type": "string", "pattern": r"^[\w./]+:\d+$"}}
    every = sorted(set().union(*text_task.POINTS.values()))
    known = {
        "id": NAME,
        "kind": {"enum": list(text_task.POINTS)},
        "file": TEXT,
        "title": TEXT,
        "points": _points(every, []),
        "service": {"enum": list(services.KINDS)},
        "starter": _diagnosis(),
        "truth": _table({"blockers": places, "on_the_way": places}, ["blockers"]),
        "accepted": TEXTS,
        "wrong": _wrong(),
        "honest": TEXTS,
        "blocking": TEXTS,
    }
    return _table(
        {key: known[key] for key in sorted(text_task.KEYS)}, ["id", "kind", "file", "title", "points", "starter"]
    )


def _wrong() -> Schema:
    return {"type": "object", "additionalProperties": _diagnosis()}


def _diagnosis(**others: Schema) -> Schema:
    """Return the schema of a kind of diagnosis, alone or with the words and the part of the verdict."""
    kind: Schema = {"enum": list(KINDS)}
    table = _table({"kind": kind, "says": TEXT, "part": {"enum": list(PARTS)}, **others}, ["kind", *others])
    return {"anyOf": [kind, table]}


def _points(parts: Any, required: list[str]) -> Schema:
    return {**_table(dict.fromkeys(parts, POINTS), required), "minProperties": 1}


def _table(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _about(text: str, what: Schema) -> Schema:
    return {"description": text, **what}


def as_text() -> str:
    """Return the schema as it's written to the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
