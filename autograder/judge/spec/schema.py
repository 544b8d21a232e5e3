"""The JSON Schema of exercise.toml, which editors use to complete keys and highlight mistakes.

``python -m autograder.judge.spec.schema`` writes it to docs/exercise.schema.json. It's generated from the models
that `autograder.judge.spec.tables` validates with, so the two can't diverge.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from autograder import paths
from autograder.judge.spec.tables import ExerciseTables

FILE = paths.ROOT / "docs" / "exercise.schema.json"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an exercise.toml."""
    made = ExerciseTables.model_json_schema()
    return {"$schema": GenerateJsonSchema.schema_dialect, **_plain(made), "title": "exercise.toml"}


def _plain(node: Any, named: bool = False) -> Any:
    """Return a schema without null, which TOML doesn't have, and without generated titles, which tell an author nothing.

    ``named``: the keys of this object are names of properties or of models.
    """
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, dict):
        return node
    if not named:
        if node.get("default", ...) in (None, "", [], {}):
            node = {key: value for key, value in node.items() if key != "default"}
        if [*filter(lambda part: part == {"type": "null"}, node.get("anyOf", ()))]:
            (some,) = (part for part in node["anyOf"] if part != {"type": "null"})
            node = {**some, **{key: value for key, value in node.items() if key != "anyOf"}}
        node = {key: value for key, value in node.items() if key != "title"}
    return {key: _plain(value, not named and key in ("properties", "$defs")) for key, value in node.items()}


def as_text() -> str:
    """Return the schema as it's written to the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
