"""A learner's prediction: written down before a measurement, and compared with it afterwards.

The prediction is in the learner's own cell, so it stays in the notebook::

    guess = lab.predict("all ten cups", None, "s")      # a number instead of None
    race = await lab.race("/tea/{i}", n=10, prediction=guess)
    guess.compare(race.seconds)

A prediction is optional: without one, only the measurement is printed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


NEAR = 0.1  # share of a prediction: a measurement that is closer counts as about the same
SECONDS = ("sec", "secs", "second", "seconds")  # what people write for s


@dataclass(frozen=True)
class Prediction:
    """What a learner expects of a measurement. ``value`` is None without a prediction."""

    what: str
    value: float | str | None
    unit: str = ""

    @property
    def seconds(self) -> float | None:
        """The position of the prediction on a timeline, or None if it isn't a time."""
        if self.unit == "s" and isinstance(self.value, float) and self.value >= 0:
            return self.value
        return None

    def __str__(self) -> str:
        return _said(self.value, self.unit)

    def compare(self, measured: object, at_most: Prediction | None = None) -> None:
        """Print the prediction and what was ``measured``, one below the other, with a bar for numbers.

        With ``at_most``, another prediction, this one is the lower bound: also print whether the measurement is below, between
        or above the two.
        """
        if at_most is not None:
            return print(self._between(at_most, measured))
        rows: list[tuple[str, Any]] = [("you said", self.value), ("measured", _number(measured))]
        both = all(isinstance(value, float) for _, value in rows)
        print(f"{self.what}:")
        for name, value in rows:
            bar = _bar(value, max(abs(other) for _, other in rows)) if both else ""
            print(f"  {name}  {_said(value, self.unit):12} {bar}".rstrip())

    def _between(self, at_most: Prediction, measured: Any) -> str:
        what, shown = self.what.removesuffix(", at least"), _said(_number(measured), self.unit)
        low, high = self.value, at_most.value
        if low is None and high is None:
            return f"{what}: {shown}. You made no guess."
        guesses = [guess for guess in (low, high) if isinstance(guess, float)]
        near = [guess for guess in guesses if abs(measured - guess) <= NEAR * abs(guess)]
        if near:
            return f"{what}: {shown} is about your {_said(near[0], '')}."
        if low is not None and measured < low:
            return f"{what}: {shown} is less than your {_said(low, '')}."
        if high is not None and measured > high:
            return f"{what}: {shown} is more than your {_said(high, '')}."
        if low is None or high is None:
            side, guess = ("not less", low) if high is None else ("not more", high)
            return f"{what}: {shown} is {side} than your {_said(guess, '')}."
        return f"{what}: {shown} lies between your {_said(low, '')} and {_said(high, '')}."


def predict(what: str, value: object = None, unit: str = "") -> Prediction:
    """Return the `Prediction` of ``what``, and print how it was understood.

    ``value`` is a number (in ``unit``), or without a unit also a word, or None to predict nothing.
    """
    number = _number(_bare(value, unit))
    prediction = Prediction(what, None if unit and isinstance(number, str) else number, unit)
    if prediction.value is None and value is not None:
        print(
            f"{what}: {value!r} isn't a number. Write only a number, such as 2 or 0.5, and run this cell again, or go on."
        )
    elif prediction.value is None:
        print(f"{what}: no prediction. Replace None with your guess and run this cell again, or go on.")
    else:
        print(f"{what}: you predict {prediction}.")
    return prediction


def _bare(value: object, unit: str) -> object:
    """Return ``value`` without a unit after the number, as in "2 s", "2 seconds" or "200 ms"."""
    found = re.fullmatch(r"\s*([-+]?[\d.]+|\d+,\d+)\s*([a-z]+)\.?\s*", value) if isinstance(value, str) else None
    if not found:
        return value
    number, said = found[1].replace(",", "."), found[2]
    if said == "ms" and unit == "s":
        number = _number(number)
        return number / 1000 if isinstance(number, float) else value
    return number if said == unit or (unit == "s" and said in SECONDS) else value


def _number(value: Any) -> float | str | None:
    """Return ``value`` as a float if it's a number (even in quotes or with a decimal comma), else as a word."""
    if value is None or isinstance(value, bool):
        return None if value is None else str(value)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int) for part in value):
        value = f"{value[0]}.{value[1]}"  # 2,5 was written for 2.5
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else str(value)


def _said(value: float | str | None, unit: str) -> str:
    if value is None:
        return "no guess"
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") + (f" {unit}" if unit else "")


def _bar(value: float, longest: float, width: int = 40) -> str:
    """Return a bar of text, at least one character long, so that two numbers can be compared at a glance."""
    return "▇" * max(1, round(width * abs(value) / longest)) if longest else ""
