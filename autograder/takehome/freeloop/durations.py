"""Parse and format durations such as ``50ms``, ``0.2s`` and ``1.5``."""

from __future__ import annotations

import re

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0}


def seconds(text: str) -> float:
    """Return the duration in seconds that a text like ``50ms`` means. A number without a unit means seconds.

    Raise `ValueError` if it isn't a duration, or isn't greater than zero.
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*", text)
    if not match or match[2] not in _UNITS or not float(match[1]):
        raise ValueError(f"{text!r} isn't a duration: write 50ms, 0.2s or 1m")
    return float(match[1]) * _UNITS[match[2]]


def readable(duration_s: float) -> str:
    """Return a duration, given in seconds, as a short text: ``212 ms``, ``1.52 s``."""
    if duration_s < 0.0095:
        return f"{duration_s * 1000:.1f} ms"
    return f"{duration_s * 1000:.0f} ms" if duration_s < 0.9995 else f"{duration_s:.2f} s"
