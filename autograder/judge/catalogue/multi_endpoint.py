"""The catalogue of a file that holds all endpoints of an exercise.

``reference.py`` and ``starter.py`` are whole files in sections (see `autograder.judge.spec.file_sections`). The other
answers are composed from them: accepted and wrong answers replace sections of the reference, and a partly fixed answer
replaces some sections of the starter with those of the reference.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.file_sections import compose
from autograder.judge.verdict import DiagnosisKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autograder.judge.spec.endpoint import Endpoint, ExpectedDiagnosis
    from autograder.judge.spec.exercise import Exercise
    from autograder.judge.verdict import Verdict
    from autograder.sandbox.launcher import Sandbox


@dataclass(frozen=True)
class MultiEndpointAnswer:
    """One catalogued file. ``expected`` holds (endpoint, `ExpectedDiagnosis`, or None if it must pass) for each one that is judged."""

    file: str
    kind: str  # starter, reference, accepted, partly, wrong
    name: str
    text: str
    expected: tuple[tuple[Endpoint, ExpectedDiagnosis | None], ...]

    @property
    def wrong(self) -> ExpectedDiagnosis | None:
        """The first `ExpectedDiagnosis` of its endpoints, or None if all must pass."""
        return next((wrong for _, wrong in self.expected if wrong), None)

    @property
    def label(self) -> str:
        """The answer's name in reports: ``shop/accepted/threads``."""
        return "/".join(part for part in (Path(self.file).stem, self.kind, self.name) if part)


def catalogue(exercise: Exercise) -> list[MultiEndpointAnswer]:
    """Return every `MultiEndpointAnswer` of an exercise. Raises `ExerciseError` if files and exercise.toml disagree."""
    shop = exercise.shop
    if shop is None:
        raise ExerciseError(f"{exercise.lesson} has no file that holds all its endpoints.")
    folder = exercise.folder / "answers" / shop.id
    starter, reference = ((folder / f"{kind}.py").read_text(encoding="utf-8") for kind in ("starter", "reference"))

    def whole(kind: str, name: str, text: str, repaired: set[str]) -> MultiEndpointAnswer:
        """Return the answer whose endpoints in ``repaired`` (ids) must pass; all others must get the starter's diagnosis."""
        return MultiEndpointAnswer(
            shop.file, kind, name, text, tuple((e, _expected(exercise, e, repaired)) for e in exercise.endpoints)
        )

    everything = {endpoint.id for endpoint in exercise.endpoints}
    found = [whole("starter", "", starter, set()), whole("reference", "", reference, everything)]
    for name, text in _lenders(exercise, folder / "accepted", shop.accepted):
        found.append(whole("accepted", name, _composed(exercise, name, reference, text), everything))
    for name, sections in shop.partly.items():
        text = _composed(exercise, name, starter, reference, sections)
        found.append(whole("partly", name, text, set(sections)))
    for name, text in _lenders(exercise, folder / "wrong", shop.wrong):
        endpoint, expected = shop.wrong[name]
        text = _composed(exercise, name, reference, text)
        found.append(MultiEndpointAnswer(shop.file, "wrong", name, text, ((exercise.endpoint(endpoint), expected),)))
    return found


def _expected(exercise: Exercise, endpoint: Endpoint, repaired: set[str]) -> ExpectedDiagnosis | None:
    if not endpoint.combined_with:
        return None if endpoint.id in repaired else endpoint.starter
    blocking = (
        other
        for other in endpoint.combined_with
        if other.starter.kind == DiagnosisKind.BLOCKED and other.id not in repaired
    )
    return endpoint.starter if any(blocking) else None


def _lenders(exercise: Exercise, folder: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    here = {file.stem for file in folder.glob("*.py")}
    for name in sorted(here ^ set(names)):
        raise ExerciseError(
            f"{exercise.lesson}: {folder.name}/{name} is "
            + ("a file that exercise.toml does not name." if name in here else "named, but has no file.")
        )
    return [(name, (folder / f"{name}.py").read_text(encoding="utf-8")) for name in names]


def _composed(exercise: Exercise, name: str, base: str, other: str, sections: Iterable[str] | None = None) -> str:
    try:
        return compose(base, other, sections)
    except KeyError as error:
        raise ExerciseError(
            f"{exercise.lesson}: {name} has a section {error} that the other file does not have."
        ) from None


async def judge(answer: MultiEndpointAnswer, sandbox: Sandbox | None = None) -> tuple[list[Verdict], str]:
    """Return ([verdict], complaint) for one catalogued file; the complaint is "" if all verdicts are as expected."""
    verdicts, complaints = [], []
    with tempfile.TemporaryDirectory(prefix="course-answer-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / answer.file
        file.write_text(answer.text, encoding="utf-8")
        services = answer.expected[0][0].services
        async with ServedApp(file, services, sandbox) as served:
            for endpoint, wrong in answer.expected:
                bench = Judge(file, endpoint, served)
                verdicts.append(verdict := await bench.verdict_with_retries("concurrency"))
                if wrong is None and not verdict.passed:
                    complaints.append(
                        f"{endpoint.id} must pass but: {verdict.outcome} {verdict.kind}: {verdict.diagnosis}"
                    )
                elif wrong and not wrong.fits(verdict.kind, verdict.diagnosis):
                    complaints.append(
                        f"{endpoint.id} must get «{wrong}» but: {verdict.outcome} {verdict.kind}: " + verdict.diagnosis
                    )
                if (
                    answer.kind == "starter"
                    and not endpoint.combined_with
                    and not (right := await bench.verdict_with_retries("answers")).passed
                ):
                    complaints.append(f"the untouched starter must answer {endpoint.id} rightly but: {right.diagnosis}")
    return verdicts, "; ".join(complaints)
