"""Variants of an exercise: its placeholders, and the values that stand for them.

In exercise.toml the table ``[variants]`` has a list of values for each name. ``<<name>>`` in exercise.toml, exercise.py and
the answers stands for one of them. docs/exercises.md explains the table.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from autograder.judge.spec.endpoint import ExerciseError

if TYPE_CHECKING:
    from collections.abc import Mapping

Variant = dict[str, Any]  # {name: value}

ORDER = "order"  # the name whose values are lists of endpoint ids: the order in which the notebook has them
VARIANTS_MAX = 200  # of one exercise: an answer that isn't right for its own is tried on the others
PLACEHOLDER = re.compile(r"<<(\w+)>>")
QUOTED = re.compile(r"\"<<(\w+)>>\"|'<<(\w+)>>'")


def every(values: Mapping[str, list[Any]]) -> list[Variant]:
    """Return all variants of an exercise, the one with each list's first value first; none if it has no lists."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())] if values else []


def filled(text: str, variant: Mapping[str, Any]) -> str:
    """Return a text with the values of a variant in place of their names. Raises `ExerciseError` for an unknown name."""
    return PLACEHOLDER.sub(lambda match: str(_value(match[1], variant)), text) if variant else text


def filled_toml(text: str, variant: Mapping[str, Any]) -> str:
    """Return a TOML text with the values of a variant. A string that is only a placeholder becomes the value, also a number."""
    if not variant:
        return text
    return filled(QUOTED.sub(lambda match: json.dumps(_value(match[1] or match[2], variant)), text), variant)


def _value(name: str, variant: Mapping[str, Any]) -> Any:
    if name not in variant:
        raise ExerciseError(f"<<{name}>> stands for nothing: [variants] in exercise.toml has {', '.join(variant)}.")
    return variant[name]


def tag(variant: Mapping[str, Any]) -> str:
    """Return a short name for a variant, which a notebook's metadata carries; "" for none."""
    if not variant:
        return ""
    return hashlib.sha256(json.dumps(variant, sort_keys=True).encode()).hexdigest()[:12]


def label(variant: Mapping[str, Any]) -> str:
    """Return the values of a variant for messages, as in "path = quotes, factor = 2"."""
    return ", ".join(
        f"{name} = {' '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in variant.items()
    )


def differences(variant: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str]:
    """Return the `label` of each of two variants, with only the values in which they differ."""
    names = [name for name in variant if variant[name] != other.get(name)]
    return label({name: variant[name] for name in names}), label({name: other.get(name) for name in names})
