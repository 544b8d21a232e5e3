"""Verdicts: what the judge says about one item."""

from __future__ import annotations

from dataclasses import dataclass

from autograder.errors import UserFacingError


@dataclass(frozen=True)
class Verdict:
    """The outcome for one item: ``outcome`` is "pass", "fail" or "error", ``kind`` one of `exercise.KINDS`.

    ``line`` is the learner's line that the diagnosis speaks of, where there is one; ``trials`` how many races it took.
    ``share`` is the part of the points that is earned, where there is one between none and all.  ``nameless``: the loop
    stood still, and it was not seen who held it.
    """

    outcome: str
    kind: str = ""
    diagnosis: str = ""
    line: int | None = None
    trials: int = 0
    share: float | None = None
    nameless: bool = False

    @property
    def passed(self) -> bool:
        """True if the verdict is PASS."""
        return self.outcome == "pass"

    def points(self, most: float) -> float:
        """How many of ``most`` points it is worth."""
        share = float(self.passed) if self.share is None else self.share
        return most if share == 1 else round(most * share, 2)


@dataclass(frozen=True)
class Trial:
    """What one race showed: a fault, or a proof, or (neither) that the machine was too busy to tell."""

    fault: Verdict | None = None
    proved: bool = False


class AnswerFault(Exception):
    """A mistake in the learner's app that needs no second look."""

    def __init__(self, kind: str, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.verdict = Verdict("fail", kind, text, line)


class Inconclusive(UserFacingError):
    """This machine did not let us find out."""
