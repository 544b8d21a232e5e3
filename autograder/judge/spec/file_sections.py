"""A file in sections: each begins with a line ``# --- name: what it is``, and one file can lend another its sections.

So the catalogue of a large file need not hold it fifty times: an answer holds the sections in which it differs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

START = re.compile(r"^# --- (\w+)", re.MULTILINE)


def split(text: str) -> tuple[str, dict[str, str]]:
    """(head, {name: section}): what stands above the first section, and the sections in their order."""
    starts = [*START.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    head = text[: starts[0].start()] if starts else text
    return head, {match[1]: text[match.start() : end] for match, end in zip(starts, ends, strict=True)}


def compose(base: str, other: str, names: Iterable[str] | None = None) -> str:
    """``base`` with the sections of ``other`` in the place of its own, and other's imports above: all, or those of ``names``.

    Raises `KeyError` for a section that is not in both.
    """
    head, sections = split(base)
    above, lent = split(other)
    names = list(lent) if names is None else names
    for name in names:
        sections[name]  # it must be there to be replaced
        sections[name] = lent[name].rstrip("\n") + "\n\n\n"
    imports = "".join(line + "\n" for line in above.splitlines() if line.startswith(("import ", "from ")))
    return imports + head + "".join(sections.values()).rstrip("\n") + "\n"
