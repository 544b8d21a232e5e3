"""An exercise as its file says it: endpoints, texts, points, catalogue.

The file is ``exercise.toml`` in the lesson's folder; docs/exercises.md explains it.  A learner's notebook reads a copy
without the catalogue."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import services
from autograder.judge.spec.endpoint import BARRIERS, MAX_RACE_SIZE, PARTS, Endpoint, ExerciseError, ExpectedDiagnosis
from autograder.judge.spec.text_task import written
from autograder.judge.verdict import DiagnosisKind

if TYPE_CHECKING:
    from typing import Any

    from autograder.judge.spec.text_task import TextTask

KINDS = tuple(DiagnosisKind)
KEYS = {"id", "file", "title", "request", "answer", "points", "service", "upstream_calls", "requests", "starter"}
KEYS |= {"afterwards", "cached", "combined_with", "not_checked", "accepted", "wrong"}
KEYS |= {"job", "barrier", "responds_first"}


@dataclass(frozen=True)
class SharedFile:
    """A file in which all endpoints of an exercise stand, and its catalogue.

    ``accepted`` maps names to what they do, ``partly`` names to the sections that are repaired, ``wrong`` names to
    (the endpoint that must fail, `ExpectedDiagnosis`).
    """

    id: str
    file: str
    accepted: dict[str, str]
    partly: dict[str, list[str]]
    wrong: dict[str, tuple[str, ExpectedDiagnosis]]


@dataclass(frozen=True)
class Exercise:
    """A lesson's exercise: its name (the lesson's folder), title and endpoints."""

    lesson: str
    title: str
    endpoints: tuple[Endpoint, ...]
    folder: Path
    shop: SharedFile | None = None
    written: tuple[TextTask, ...] = ()  # of `TextTask`: what is handed in that is not an app

    @property
    def tasks(self) -> tuple[Endpoint | TextTask, ...]:
        """All that is graded: endpoints, and texts."""
        return self.endpoints + self.written

    @property
    def files(self) -> list[tuple[Any, ...]]:
        """The tasks in groups: those that stand in one file together."""
        groups: dict[str, list[Endpoint | TextTask]] = {}
        for endpoint in self.tasks:
            groups.setdefault(endpoint.file, []).append(endpoint)
        return [tuple(group) for group in groups.values()]

    def endpoint(self, name: str) -> Any:
        """The endpoint or text task with the id ``name``.  Raises `ExerciseError` if there is none."""
        for endpoint in self.tasks:
            if endpoint.id == name:
                return endpoint
        known = ", ".join(e.id for e in self.tasks)
        raise ExerciseError(f"Exercise {self.lesson} has no endpoint {name!r}. It has: {known}.")

    def answer_file(self, endpoint: Endpoint | TextTask, kind: str, name: str | None = None) -> Path:
        """The catalogue's file: kind is starter, reference, accepted or wrong (the last two with a name)."""
        folder = self.folder / "answers" / endpoint.cell
        suffix = Path(endpoint.file).suffix
        return folder / kind / f"{name}{suffix}" if name else folder / f"{kind}{suffix}"


def load(folder: str | Path) -> Exercise:
    """Read ``exercise.toml`` in ``folder``.  Raises `ExerciseError` with a sentence that says what to mend."""
    file = Path(folder) / "exercise.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExerciseError(f"There is no exercise.toml in {Path(folder).name}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ExerciseError(f"{file.name} in {Path(folder).name} is not valid TOML: {error}.") from None
    try:
        shop = _shop(data["app"]) if "app" in data else None
        entries = data.get("endpoint", ()) if "written" in data else data["endpoint"]
        endpoints = tuple(_endpoint(entry, shop) for entry in entries)
        if shop:
            needed = tuple(sorted({endpoint.service for endpoint in endpoints} - {""}))
            endpoints = tuple(replace(endpoint, beside=needed) for endpoint in endpoints)
            single = tuple(endpoint for endpoint in endpoints if not endpoint.combined_with)
            endpoints = tuple(
                replace(endpoint, combined_with=single) if endpoint.combined_with else endpoint
                for endpoint in endpoints
            )
        texts = tuple(written(entry, data["lesson"], _told) for entry in data.get("written", ()))
        return Exercise(data["lesson"], data["title"], endpoints, Path(folder), shop, texts)
    except KeyError as error:
        raise ExerciseError(f"{file.name} in {Path(folder).name} lacks {error}.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ExerciseError(f"{file.name} in {Path(folder).name}: {error}") from None


CATALOGUE = ("[endpoint.accepted", "[endpoint.wrong", "[app.accepted", "[app.partly", "[app.wrong", "[written.")


def public_text(folder: str | Path) -> str:
    """The exercise file as learners get it: without the catalogue of accepted and wrong answers."""
    lines, keep = [], True
    for line in (Path(folder) / "exercise.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            keep = not line.startswith(CATALOGUE)
        if keep and not line.startswith("#:schema "):  # there is no schema beside a learner's copy
            lines.append(line)
    return "\n".join(lines).rstrip() + "\n"


def _shop(entry: dict[str, Any]) -> SharedFile:
    wrong = {
        name: (told["endpoint"], _told(f"wrong answer {name!r}", told)) for name, told in entry.get("wrong", {}).items()
    }
    return SharedFile(entry["id"], entry["file"], entry.get("accepted", {}), entry.get("partly", {}), wrong)


def _endpoint(entry: dict[str, Any], shop: SharedFile | None = None) -> Endpoint:
    if shop:
        entry = {"file": shop.file, "shared": shop.id, **entry}
        if entry.get("combined_with"):
            entry = {"request": "GET /", "answer": None, **entry}
    unknown = set(entry) - KEYS - ({"shared"} if shop else set())
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r} in an endpoint; known are {', '.join(sorted(KEYS))}")
    if entry["request"].split(" ")[0] not in {"GET", "POST", "PUT", "DELETE"}:
        raise ValueError(f'request must begin with a method, as in "GET /tea", not {entry["request"]!r}')
    if entry.get("service", "") not in ("", *services.KINDS):
        raise ValueError(f"unknown service {entry['service']!r}; known are {', '.join(services.KINDS)}")
    if entry.get("job") not in ((None,) if entry.get("service") != "work" else services.JOBS):
        raise ValueError(f'with service = "work", and only then, job must be one of {", ".join(services.JOBS)}')
    if entry.get("barrier", "calls") not in BARRIERS:
        raise ValueError(f"barrier must be one of {', '.join(BARRIERS)}, not {entry['barrier']!r}")
    if entry.get("responds_first") and not entry.get("afterwards"):
        raise ValueError("responds_first is for an endpoint with afterwards = true")
    if not 0 <= entry.get("requests", 0) <= MAX_RACE_SIZE:
        raise ValueError(f"requests must be a number up to {MAX_RACE_SIZE}, not {entry['requests']!r}")
    if set(entry["points"]) not in ({*PARTS}, {"concurrency"}):
        raise ValueError("points must name answers and concurrency, as in { answers = 1, concurrency = 2 }")
    return Endpoint(
        **{
            **entry,
            "starter": _told("the starter", entry.get("starter", DiagnosisKind.BLOCKED)),
            "accepted": entry.get("accepted", {}),
            "wrong": {name: _told(f"wrong answer {name!r}", told) for name, told in entry.get("wrong", {}).items()},
        }
    )


def _told(what: str, told: str | dict[str, Any]) -> ExpectedDiagnosis:
    """What a wrong answer must be told, from a kind of diagnosis or { kind = ..., says = ..., part = ... }."""
    told = {"kind": told} if isinstance(told, str) else told
    kind, says, part = told["kind"], told.get("says", []), told.get("part", "concurrency")
    if kind not in KINDS:
        raise ValueError(f"{what} has the unknown diagnosis {kind!r}; known are {', '.join(KINDS)}")
    if part not in PARTS:
        raise ValueError(f"{what} has the unknown part {part!r}; known are {', '.join(PARTS)}")
    return ExpectedDiagnosis(DiagnosisKind(kind), (says,) if isinstance(says, str) else tuple(says), part)
