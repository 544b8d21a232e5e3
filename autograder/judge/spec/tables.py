"""The tables of exercise.toml as pydantic models: which keys and values are valid. docs/exercises.md explains them.

`read` validates a file's tables with these models, and `autograder.judge.spec.schema` generates the JSON Schema from them,
so the two can't diverge. Rules that involve several keys (such as a job that only one service has) are not in the schema.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from autograder import services
from autograder.judge.spec.endpoint import BARRIERS, MAX_RACE_SIZE, PARTS
from autograder.judge.spec.variants import VARIANTS_MAX
from autograder.judge.verdict import DiagnosisKind


class Table(BaseModel):
    """A table that rejects unknown keys, and values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LacksKey(ValueError):
    """A required key is missing."""


def _known_service(name: str) -> str:
    if name not in services.KINDS:
        raise ValueError(f"unknown service {name!r}; known are {', '.join(services.KINDS)}")
    return name


Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^\w+$")]
# The course's lessons are numbered, but a folder with any other name can be loaded too.
LessonName = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\d\d_\w+$"})]
PythonFile = Annotated[str, StringConstraints(pattern=r"^\w+\.py$")]
RequestLine = Annotated[str, StringConstraints(pattern=r"^(GET|POST|PUT|DELETE) /")]
Line = Annotated[str, StringConstraints(pattern=r"^[\w./]+:\d+$")]
Service = Annotated[str, AfterValidator(_known_service), WithJsonSchema({"enum": list(services.KINDS)})]
Job = Annotated[str, WithJsonSchema({"enum": list(services.JOBS)})]
Barrier = Literal["calls", "places", "loop"]
Part = Literal["answers", "concurrency"]
WrittenPart = Literal["found", "honest", "blocking"]
WrittenKind = Literal["findings", "tests"]
# An integer stays an integer, so that it's printed as one.
Points = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0)]
Texts = dict[str, Text]
WRITTEN_POINTS: dict[str, set[str]] = {"findings": {"found"}, "tests": {"honest", "blocking"}}
assert get_args(Barrier) == BARRIERS and get_args(Part) == PARTS and set(get_args(WrittenKind)) == set(WRITTEN_POINTS)


class DiagnosisTable(Table):
    """The expected diagnosis: its kind, words that it must contain (at least one of a list), and the part of the verdict."""

    kind: Annotated[DiagnosisKind, Field(strict=False)]
    says: Text | list[Text] = Field(default_factory=list)
    part: Part = "concurrency"
    or_kinds: list[Annotated[DiagnosisKind, Field(strict=False)]] = Field(
        default_factory=list, description="Other kinds that the same mistake can produce by chance."
    )


def _as_table(value: object) -> object:
    """Return the table for a diagnosis that is written as its kind alone."""
    return {"kind": value} if isinstance(value, str) else value


Diagnosis = Annotated[DiagnosisTable, BeforeValidator(_as_table, json_schema_input_type=DiagnosisKind | DiagnosisTable)]


class SharedDiagnosisTable(DiagnosisTable):
    """The expected diagnosis in a file that holds several endpoints, with the endpoint that must fail."""

    endpoint: Name


class AppTable(Table):
    """A file that holds all endpoints of the exercise, and its catalogue."""

    id: Name
    file: PythonFile
    accepted: Texts = Field(default_factory=dict)
    partly: dict[str, list[Name]] = Field(default_factory=dict)
    wrong: dict[str, SharedDiagnosisTable] = Field(default_factory=dict)


class EndpointTable(Table):
    """One graded endpoint, and its catalogue."""

    id: Name = Field(description="The name of the cell, of the answers' folder and of the items of the verdict.")
    file: PythonFile | None = Field(None, description="The file in which the learner's cell is saved.")
    title: Text = Field(description="The heading of the endpoint.")
    request: RequestLine | None = Field(
        None, description="Method and path, with {number}, {token} and {wait} for fresh values."
    )
    answer: Any = Field(None, description="The expected response, as JSON.")
    points: dict[Part, Points] = Field(description="The points of each part.", min_length=1)
    service: Service = Field("", description="The service that the endpoint calls.")
    also: Service = Field(
        "", description="A second service, which the endpoint calls once for each request, and which replies at once."
    )
    upstream_calls: int = Field(1, ge=1, description="The number of calls that each request makes to the service.")
    requests: int = Field(0, ge=0, le=MAX_RACE_SIZE, description="The number of requests that are sent together.")
    starter: Diagnosis = Field(
        DiagnosisTable(kind=DiagnosisKind.BLOCKED), description="The diagnosis that the starter must get."
    )
    afterwards: bool = Field(False, description="The service is called after the response.")
    responds_first: bool = Field(False, description="With afterwards: the response must not wait for the service.")
    cached: bool = Field(False, description="The app caches replies: at most one call for each token.")
    late: Any = Field(
        None, description="The response if the service doesn't reply within {patience}; the call must be over by then."
    )
    refused: Any = Field(
        None,
        description="The response if the service refuses one of the request's calls; the others must be over by then.",
    )
    combined_with: bool = Field(False, description="The requests go to all other endpoints, together.")
    not_checked: str = Field("", description="What the checks don't cover, as a sentence for learners.")
    job: Job | None = Field(None, description='The job of service = "work".')
    barrier: Barrier = Field("calls", description="What must be in progress at the same moment.")
    accepted: Texts = Field(default_factory=dict, description="Correct answers: file name = what it does.")
    wrong: dict[str, Diagnosis] = Field(
        default_factory=dict, description="Wrong answers: file name = the diagnosis that it must get."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.job not in ((None,) if self.service != "work" else services.JOBS):
            raise ValueError(f'with service = "work", and only then, job must be one of {", ".join(services.JOBS)}')
        if self.responds_first and not self.afterwards:
            raise ValueError("responds_first is for an endpoint with afterwards = true")
        if (self.late is not None) != ("{patience}" in (self.request or "")):
            raise ValueError("an endpoint with late has {patience} in its request, and no other one does")
        if self.also and (
            self.also == self.service or not self.service or self.upstream_calls > 1 or self.afterwards or self.cached
        ):
            raise ValueError("also is for an endpoint that makes one call to another service, and waits for its reply")
        if self.late is not None and (not self.service or self.afterwards or self.cached):
            raise ValueError(
                "late is for an endpoint that calls a service and waits for its reply, which it doesn't cache"
            )
        if self.refused is not None and (self.service != "upstream" or self.afterwards or self.cached):
            raise ValueError(
                'refused is for an endpoint with service = "upstream" that waits for replies and doesn\'t cache them'
            )
        if set(self.points) not in ({*PARTS}, {"concurrency"}):
            raise ValueError(ENDPOINT_POINTS)
        return self


class TruthTable(Table):
    """The lines that block, as file:line, and the lines that only lead to them."""

    blockers: list[Line]
    on_the_way: list[Line] = Field(default_factory=list)


class WrittenTable(Table):
    """A graded text (a list of findings, or a test) and its catalogue."""

    id: Name
    kind: WrittenKind
    file: Text
    title: Text
    points: dict[WrittenPart, Points] = Field(min_length=1)
    service: Service = ""
    starter: Diagnosis
    truth: TruthTable | None = None
    accepted: Texts = Field(default_factory=dict)
    wrong: dict[str, Diagnosis] = Field(default_factory=dict)
    honest: Texts = Field(default_factory=dict)
    blocking: Texts = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if set(self.points) != WRITTEN_POINTS[self.kind]:
            raise ValueError(f"points of {self.kind} must name {' and '.join(sorted(WRITTEN_POINTS[self.kind]))}")
        return self


# A value is written into a text; a list is an order of endpoints.
Value = Text | int | float | list[Name]


class ExerciseTables(Table):
    """What an exercise asks for, and how it's judged. docs/exercises.md explains every key."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["endpoint"]}, {"required": ["written"]}]})

    lesson: LessonName = Field(description="The name of the lesson's folder.")
    title: Text = Field(description="The title of the exercise.")
    app: AppTable | None = None
    endpoint: list[EndpointTable] = Field(default_factory=list)
    written: list[WrittenTable] = Field(default_factory=list)
    variants: dict[Name, Annotated[list[Value], Field(min_length=1)]] = Field(
        default_factory=dict, description="Values of which each student gets one, by the name that stands for them."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if not self.endpoint and not self.written:
            raise LacksKey("endpoint")
        for endpoint in self.endpoint:
            if self.app is None and endpoint.combined_with:
                raise ValueError("combined_with is for endpoints of one file, which [app] names")
            needed = (
                () if endpoint.combined_with else ("request", "answer") if self.app else ("file", "request", "answer")
            )
            for key in needed:
                if key not in endpoint.model_fields_set:
                    raise LacksKey(key)
        if self.variants and (self.app or self.written):
            raise ValueError("variants are for exercises in which each endpoint has a file of its own")
        if (count := math.prod(len(values) for values in self.variants.values())) > VARIANTS_MAX:
            raise ValueError(f"[variants] makes {count:,} variants; the limit is {VARIANTS_MAX}")
        return self


ENDPOINT_POINTS = "points must name answers and concurrency, as in { answers = 1, concurrency = 2 }"
MODELS: dict[str, tuple[str, type[Table]]] = {
    "app": ("[app]", AppTable), "endpoint": ("an endpoint", EndpointTable), "written": ("a written task", WrittenTable),
}  # fmt: skip


def read(data: dict[str, Any]) -> ExerciseTables:
    """Return the validated tables of an exercise.toml. Raises `LacksKey` with the key, or `ValueError` with a message."""
    try:
        return ExerciseTables.model_validate(data)
    except ValidationError as problem:
        error: Any = problem.errors()[0]
    if error["type"] == "missing":
        raise LacksKey(str(error["loc"][-1]))
    if isinstance(cause := error.get("ctx", {}).get("error"), ValueError):
        raise cause
    raise ValueError(_sentence(error["type"], [part for part in error["loc"] if part != "[key]"], error))


def _sentence(kind: str, place: list[int | str], error: Any) -> str:
    """Return a sentence that says what is wrong at ``place``."""
    top, key, value = place[0], place[-1], error["input"]
    if kind == "extra_forbidden":
        what, model = _table_at(place[:-1])
        return f"unknown key {key!r} in {what}; known are {', '.join(sorted(model.model_fields))}"
    if top == "endpoint" and "points" in place:
        return ENDPOINT_POINTS
    if key in ("kind", "part") and len(place) > 3:
        word = "diagnosis" if key == "kind" else "part"
        known = DiagnosisKind if key == "kind" else PARTS
        what = "the starter" if "starter" in place else f"wrong answer {place[-2]!r}"
        return f"{what} has the unknown {word} {value!r}; known are {', '.join(known)}"
    if key == "request":
        return f'request must begin with a method, as in "GET /tea", not {value!r}'
    if key == "requests":
        return f"requests must be a number up to {MAX_RACE_SIZE}, not {value!r}"
    if words := error.get("ctx", {}).get("expected"):
        return f"{key} must be one of {words.replace(chr(39), '').replace(' or ', ', ')}, not {value!r}"
    return f"{'.'.join(map(str, place))}: {error['msg']}, not {value!r}"


def _table_at(place: list[int | str]) -> tuple[str, type[Table]]:
    """Return (the name of the table for messages, its model)."""
    names = [part for part in place if isinstance(part, str)]
    if not names:
        return "the file", ExerciseTables
    if len(names) == 1:
        return MODELS[names[0]]
    if names[1] == "truth":
        return "truth", TruthTable
    return "a diagnosis", SharedDiagnosisTable if names[0] == "app" else DiagnosisTable
