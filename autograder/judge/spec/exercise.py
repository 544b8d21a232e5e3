"""An exercise as its file describes it: endpoints, text tasks, points and catalogue.

The file is ``exercise.toml`` in the lesson's folder; docs/exercises.md explains it. A learner's notebook reads a copy
without the catalogue.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.judge.spec.endpoint import Endpoint, ExerciseError, ExpectedDiagnosis
from autograder.judge.spec.tables import LacksKey, read
from autograder.judge.spec.text_task import TextTask
from autograder.judge.spec.variants import ORDER, Variant, every, filled, filled_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from autograder.judge.spec.tables import AppTable, DiagnosisTable, EndpointTable, ExerciseTables, WrittenTable


@dataclass(frozen=True)
class SharedFile:
    """A file that holds all endpoints of an exercise, and its catalogue.

    ``accepted`` maps each answer's name to what it does, ``partly`` to the sections that are fixed, and ``wrong`` to
    (the endpoint that must fail, `ExpectedDiagnosis`).
    """

    id: str
    file: str
    accepted: dict[str, str]
    partly: dict[str, list[str]]
    wrong: dict[str, tuple[str, ExpectedDiagnosis]]


@dataclass(frozen=True)
class Exercise:
    """A lesson's exercise: its name (the lesson's folder), title and endpoints.

    ``variant`` holds the values that stand for its placeholders, and ``variants`` all that the exercise has.
    """

    lesson: str
    title: str
    endpoints: tuple[Endpoint, ...]
    folder: Path
    shop: SharedFile | None = None
    written: tuple[TextTask, ...] = ()  # what is handed in that isn't an app
    variant: Variant = field(default_factory=dict)
    variants: list[Variant] = field(default_factory=list)

    @property
    def tasks(self) -> tuple[Endpoint | TextTask, ...]:
        """Everything that is graded: endpoints and text tasks."""
        return self.endpoints + self.written

    @property
    def files(self) -> list[tuple[Any, ...]]:
        """The tasks grouped by the file that holds them."""
        groups: dict[str, list[Endpoint | TextTask]] = {}
        for endpoint in self.tasks:
            groups.setdefault(endpoint.file, []).append(endpoint)
        return [tuple(group) for group in groups.values()]

    def endpoint(self, name: str) -> Any:
        """Return the endpoint or text task with the id ``name``. Raises `ExerciseError` if there is none."""
        for endpoint in self.tasks:
            if endpoint.id == name:
                return endpoint
        known = ", ".join(e.id for e in self.tasks)
        raise ExerciseError(f"Exercise {self.lesson} has no endpoint {name!r}. It has: {known}.")

    def answer_file(self, endpoint: Endpoint | TextTask, kind: str, name: str | None = None) -> Path:
        """Return the path of a catalogued answer. ``kind`` is starter, reference, accepted or wrong; the last two need a name."""
        folder = self.folder / "answers" / endpoint.cell
        suffix = Path(endpoint.file).suffix
        return folder / kind / f"{name}{suffix}" if name else folder / f"{kind}{suffix}"

    def answer_text(self, task: Endpoint | TextTask, kind: str, name: str | None = None) -> str:
        """Return the text of a catalogued answer, for this variant of the exercise."""
        return filled(self.answer_file(task, kind, name).read_text(encoding="utf-8"), self.variant)


def load(folder: str | Path, variant: Mapping[str, Any] | None = None) -> Exercise:
    """Read ``exercise.toml`` in ``folder``. Raises `ExerciseError`, whose message says what to fix.

    An exercise with variants is loaded as the ``variant`` that's named, or with the first value of each list.
    """
    file = Path(folder) / "exercise.toml"
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
        values = lists_of(data)
        if chosen := dict(variant or {name: some[0] for name, some in values.items()}):
            data = tomllib.loads(filled_toml(text, chosen))
    except FileNotFoundError:
        raise ExerciseError(f"There is no exercise.toml in {Path(folder).name}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ExerciseError(f"{file.name} in {Path(folder).name} is not valid TOML: {error}.") from None
    try:
        return _in_order(replace(_exercise(read(data), Path(folder)), variant=chosen, variants=every(values)))
    except LacksKey as error:
        raise ExerciseError(f"{file.name} in {Path(folder).name} lacks {str(error)!r}.") from None
    except ValueError as error:
        raise ExerciseError(f"{file.name} in {Path(folder).name}: {error}") from None


def lists_of(data: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the lists of values in the tables of an exercise file, by name; those that can't be used are left to `read`."""
    lists = data.get("variants", {})
    usable = isinstance(lists, dict) and all(isinstance(values, list) and values for values in lists.values())
    return lists if usable else {}


def _in_order(exercise: Exercise) -> Exercise:
    """Return an exercise with its endpoints in the order of its variant. Raises `ValueError` for an order that isn't one."""
    if ORDER not in exercise.variant:
        return exercise
    order, ids = exercise.variant[ORDER], [endpoint.id for endpoint in exercise.endpoints]
    if not isinstance(order, list) or sorted(order) != sorted(ids):
        raise ValueError(f"each value of {ORDER} in [variants] must list the ids of all endpoints: {', '.join(ids)}")
    return replace(exercise, endpoints=tuple(exercise.endpoint(name) for name in order))


CATALOGUE = (
    "[variants",
    "[endpoint.accepted",
    "[endpoint.wrong",
    "[app.accepted",
    "[app.partly",
    "[app.wrong",
    "[written.",
)


PRIVATE = {"accepted", "wrong", "partly", "truth", "honest", "blocking"}  # keys of an endpoint, a file or a text task


def public_text(folder: str | Path, variant: Mapping[str, Any] | None = None) -> str:
    """Return the exercise file as learners get it: one variant, without the catalogue of accepted and wrong answers.

    Raises `ExerciseError` if the catalogue is written in a way in which it would be left in.
    """
    lines, keep = [], True
    whole = (Path(folder) / "exercise.toml").read_text(encoding="utf-8")
    for line in filled_toml(whole, load(folder, variant).variant).splitlines():
        if line.startswith("["):
            keep = not line.startswith(CATALOGUE)
        if keep and not line.startswith("#:schema "):  # a learner's copy has no schema next to it
            lines.append(line)
    text = "\n".join(lines).rstrip() + "\n"
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        data = {"variants": None}
    tables = [data.get("app", {}), *data.get("endpoint", ()), *data.get("written", ())]
    if "variants" in data or any(PRIVATE & table.keys() for table in tables):
        raise ExerciseError(
            f"exercise.toml in {Path(folder).name}: learners would get the catalogue or the variants. Give each a table of its "
            "own ([endpoint.accepted], [endpoint.wrong], [variants]), in which no line but the first begins with [."
        )
    return text


def _exercise(tables: ExerciseTables, folder: Path) -> Exercise:
    """Return the `Exercise` that the tables of a file in ``folder`` describe."""
    shop = _shared_file(tables.app) if tables.app else None
    endpoints = tuple(_endpoint(table, shop) for table in tables.endpoint)
    if shop:
        needed = tuple(sorted({endpoint.service for endpoint in endpoints} - {""}))
        endpoints = tuple(replace(endpoint, file_services=needed) for endpoint in endpoints)
        combined = {table.id for table in tables.endpoint if table.combined_with}
        single = tuple(endpoint for endpoint in endpoints if endpoint.id not in combined)
        endpoints = tuple(replace(e, combined_with=single) if e.id in combined else e for e in endpoints)
    texts = tuple(_text_task(table, tables.lesson) for table in tables.written)
    return Exercise(tables.lesson, tables.title, endpoints, folder, shop, texts)


def _shared_file(table: AppTable) -> SharedFile:
    wrong = {name: (wrong.endpoint, _expected(wrong)) for name, wrong in table.wrong.items()}
    return SharedFile(table.id, table.file, table.accepted, table.partly, wrong)


def _endpoint(table: EndpointTable, shop: SharedFile | None) -> Endpoint:
    return Endpoint(
        id=table.id,
        file=table.file or (shop.file if shop else ""),
        title=table.title,
        request=table.request or "GET /",
        answer=table.answer,
        points={str(part): points for part, points in table.points.items()},
        service=table.service,
        also=table.also,
        upstream_calls=table.upstream_calls,
        requests=table.requests,
        job=table.job or "",
        barrier=table.barrier,
        starter=_expected(table.starter),
        accepted=table.accepted,
        wrong={name: _expected(wrong) for name, wrong in table.wrong.items()},
        afterwards=table.afterwards,
        responds_first=table.responds_first,
        cached=table.cached,
        late=table.late,
        refused=table.refused,
        shared=shop.id if shop else "",
        not_checked=table.not_checked,
    )


def _text_task(table: WrittenTable, lesson: str) -> TextTask:
    truth = table.truth
    return TextTask(
        id=table.id,
        kind=table.kind,
        file=table.file,
        title=table.title,
        points={str(part): points for part, points in table.points.items()},
        lesson=lesson,
        service=table.service,
        starter=_expected(table.starter),
        blockers=_places(truth.blockers) if truth else (),
        on_the_way=_places(truth.on_the_way) if truth else (),
        accepted=table.accepted,
        wrong={name: _expected(wrong) for name, wrong in table.wrong.items()},
        honest=table.honest,
        blocking=table.blocking,
    )


def _places(lines: list[str]) -> tuple[tuple[str, int], ...]:
    """Return (file, number) of each line that is written as file:number."""
    found = [line.rpartition(":") for line in lines]
    return tuple((file, int(number)) for file, _, number in found)


def _expected(table: DiagnosisTable) -> ExpectedDiagnosis:
    """Return the diagnosis that a wrong answer must get."""
    says = (table.says,) if isinstance(table.says, str) else tuple(table.says)
    return ExpectedDiagnosis(table.kind, says, table.part, tuple(table.or_kinds))
