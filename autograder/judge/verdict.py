"""Verdicts: what the judge decides about one graded item."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from autograder.errors import UserFacingError


class Outcome(StrEnum):
    """The judge's decision on one graded item, from the best to the one that a person has to look at."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class DiagnosisKind(StrEnum):
    """Why an answer fails. exercise.toml, JSON and reports use these strings; docs/verdicts.md says what each one means."""

    # of apps
    DOES_NOT_START = "does not start"
    WRONG_ANSWER = "wrong answer"
    ANSWERED_TOO_EARLY = "answered too early"
    ANSWERED_TOO_LATE = "answered too late"
    SERVER_ERROR = "server error"
    MISSING_AWAIT = "missing await"
    NO_ANSWER = "no answer"
    SERVER_DIED = "server died"
    BLOCKED = "blocked"
    ONE_AT_A_TIME = "one at a time"
    FEW_AT_A_TIME = "few at a time"
    ONE_AFTER_THE_OTHER = "one after the other"
    DID_NOT_ASK = "did not ask"
    GIL = "gil"
    ASKED_AGAIN = "asked again"
    KEPT_FROM_BEFORE = "kept from before"
    CALLED_TWICE = "called twice"
    SHARED_CALL = "shared call"
    ANSWERED_TOGETHER = "answered together"
    WAITS_FOR_THE_SERVICE = "waits for the service"
    LEFT_RUNNING = "left running"
    NOT_GIVEN_BACK = "not given back"
    ERROR_LOST = "error lost"
    EVERYBODY_WAITS = "everybody waits"
    SEVERAL_PROCESSES = "several processes"
    # of lists of findings
    NOTHING_NAMED = "nothing named"
    CANNOT_BE_READ = "cannot be read"
    NOT_ALL_FOUND = "not all found"
    WRONG_ACCUSATIONS = "wrong accusations"
    # of tests
    DOES_NOT_RUN = "does not run"
    ALWAYS_FAILS = "always fails"
    ALWAYS_PASSES = "always passes"
    ACCUSES_HONEST_APPS = "accuses honest apps"
    MISSES_BLOCKING_APPS = "misses blocking apps"
    NOT_THE_SAME_TWICE = "not the same twice"
    NEVER_ENDS = "never ends"


@dataclass(frozen=True)
class Verdict:
    """The outcome for one item, and the ``kind`` of its diagnosis, which is "" for PASS and ERROR.

    ``line`` is the learner's line that the diagnosis names, if any, and ``trials`` how many races it took. ``share`` is the
    share of the points that is earned, if it isn't none or all. ``nameless``: the loop was blocked, and no sample shows
    which line blocked it.
    """

    outcome: Outcome
    kind: DiagnosisKind | Literal[""] = ""
    diagnosis: str = ""
    line: int | None = None
    trials: int = 0
    share: float | None = None
    nameless: bool = False

    @property
    def passed(self) -> bool:
        """True if the verdict is PASS."""
        return self.outcome == Outcome.PASS

    def points(self, most: float) -> float:
        """Return how many of ``most`` points the verdict is worth."""
        share = float(self.passed) if self.share is None else self.share
        return most if share == 1 else round(most * share, 2)


@dataclass(frozen=True)
class Trial:
    """What one race showed: a fault, a proof, or neither, if the machine was too busy to tell."""

    fault: Verdict | None = None
    proved: bool = False


class AnswerFault(Exception):
    """A mistake in the learner's app that is certain after one race."""

    def __init__(self, kind: DiagnosisKind, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.verdict = Verdict(Outcome.FAIL, kind, text, line)


class Inconclusive(UserFacingError):
    """The machine was too busy to tell, or lacks something that the verdict needs."""
