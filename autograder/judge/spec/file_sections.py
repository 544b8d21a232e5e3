"""Files in sections: each section begins with a line ``# --- name: what it is`` and can replace the same one in another file.

An answer in a large file's catalogue therefore holds only the sections in which it differs, not a copy of the whole file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

START = re.compile(r"^# --- (\w+)", re.MULTILINE)


def split(text: str) -> tuple[str, dict[str, str]]:
    """Return (head, {name: section}): the text above the first section, and the sections in order."""
    starts = [*START.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    head = text[: starts[0].start()] if starts else text
    return head, {match[1]: text[match.start() : end] for match, end in zip(starts, ends, strict=True)}


def compose(base: str, other: str, names: Iterable[str] | None = None) -> str:
    """Return ``base`` with its sections replaced by those of ``other``, and with the imports of ``other`` at the top.

    All sections of ``other`` are used, or only those in ``names``. Raises `KeyError` for a section that isn't in both.
    """
    head, sections = split(base)
    above, lent = split(other)
    names = list(lent) if names is None else names
    for name in names:
        sections[name]  # raises KeyError if there is nothing to replace
        sections[name] = lent[name].rstrip("\n") + "\n\n\n"
    imports = "".join(line + "\n" for line in above.splitlines() if line.startswith(("import ", "from ")))
    return imports + head + "".join(sections.values()).rstrip("\n") + "\n"
