"""Read a ``.env`` file: lines of ``NAME=value``, with optional quotes, comments and ``export``."""

from __future__ import annotations

import re
from pathlib import Path

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^\n]*?))\s*(?:(?<=\s)\#.*)?$""",
    re.X,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class EnvFileError(Exception):
    """A file can't be read, or a line of it isn't ``NAME=value``. The message says which."""


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables of a file. Variables in values aren't expanded. Raise `EnvFileError` if the file can't be parsed."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise EnvFileError(f"{file} can't be read: {problem}") from None
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if not match:
            raise EnvFileError(f"{file}:{number} isn't NAME=value: {line.strip()[:80]}")
        if match["double"] is not None:
            value = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match["double"])
        else:
            value = match["single"] if match["single"] is not None else match["plain"]
        found[match["name"]] = value
    return found
