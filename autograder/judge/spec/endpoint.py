"""One graded endpoint: its request, the response that is right for it, its points, and its catalogue of answers."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autograder.judge.verdict import DiagnosisKind

if TYPE_CHECKING:
    from typing import Any

    from autograder.services import Service

from autograder.errors import UserFacingError

BARRIERS = ("calls", "places", "loop")
RACE_SIZE = 4  # requests of a race: asyncio.to_thread has cpus + 4 threads, so 5 on one core
MAX_RACE_SIZE = 60
PARTS = ("answers", "concurrency")
PATIENCE_S = 60.0  # s, the {patience} of a request that isn't to give up: far longer than any reply is held


class ExerciseError(UserFacingError):
    """An exercise file can't be used. The message names the file, the place in it and what to write there."""


@dataclass(frozen=True)
class CheckRequest:
    """One request with fresh values, and the expected response.

    ``wait`` is how long the response must take, in seconds. ``tokens`` are the tokens that its calls to a service carry.
    """

    method: str
    path: str
    expected: object
    wait: float = 0.0
    tokens: tuple[str, ...] = ()

    @property
    def request_line(self) -> str:
        """The method and the path, for messages: ``GET /reports/7``."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class ExpectedDiagnosis:
    """What the verdict on a ``part`` of a wrong answer must say: the kind of diagnosis, and words in its text.

    The text must contain at least one of ``says``, because one mistake can have several messages (for example one per driver).
    By chance it can also have one of ``or_kinds``, with any text: two requests that share a connection get an error, or
    each other's reply.
    """

    kind: DiagnosisKind
    says: tuple[str, ...] = ()
    part: str = "concurrency"
    or_kinds: tuple[DiagnosisKind, ...] = ()

    def fits(self, kind: str, diagnosis: str) -> bool:
        """Return True if a verdict of this kind with this text is the expected one."""
        if kind in self.or_kinds:
            return True
        return kind == self.kind and (not self.says or any(words in diagnosis for words in self.says))

    def __str__(self) -> str:
        return " … ".join([self.kind, " or ".join(self.says)]) if self.says else self.kind


@dataclass(frozen=True)
class Endpoint:
    """One graded endpoint: ``file`` holds the learner's app, ``points`` maps each part to its points."""

    id: str
    file: str
    title: str
    request: str
    answer: object
    points: dict[str, float]
    service: str = ""
    also: str = ""  # a second service, which replies at once
    upstream_calls: int = 1
    requests: int = 0
    job: str = ""
    barrier: str = "calls"
    starter: ExpectedDiagnosis = ExpectedDiagnosis(DiagnosisKind.BLOCKED)
    accepted: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, ExpectedDiagnosis] = field(default_factory=dict)
    afterwards: bool = False  # the service is called after the response, which need not wait for it
    responds_first: bool = False  # ... and must not wait for it
    cached: bool = False  # the app caches the reply for each token: it calls the service once
    late: object = None  # the response if the reply doesn't come within the request's {patience}
    refused: object = None  # the response if the service refuses one of the request's calls
    # the endpoints that are raced together; this one then has no request of its own
    combined_with: tuple[Endpoint, ...] = ()
    shared: str = ""  # the name of the cell and of the answers' folder, if a file holds several endpoints
    not_checked: str = ""  # what the checks don't cover, as a sentence for learners
    magic = "%%app"  # the first word of its cell
    file_services: tuple[str, ...] = ()  # the services that the file's other endpoints call

    @property
    def cell(self) -> str:
        """The grade_id of the cell that holds the endpoint's file."""
        return self.shared or self.id

    @property
    def parts(self) -> tuple[str, ...]:
        """What is graded: "answers" and "concurrency", or "concurrency" alone."""
        return tuple(part for part in PARTS if part in self.points)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that must be running when the file is served."""
        return tuple(sorted({self.service, self.also, *self.file_services} - {""}))

    @property
    def route(self) -> str:
        """The request without its query string, such as ``GET /reports/{number}``."""
        return self.request.split("?")[0]

    @property
    def raced(self) -> int:
        """How many requests are sent together: as the exercise says, or few enough for every default thread pool."""
        # each call may need its own thread
        return self.requests or max(RACE_SIZE // self.upstream_calls, 1)

    @property
    def large(self) -> bool:
        """True if so many requests are raced that each large race is paired with a small one."""
        return self.raced > 2 * RACE_SIZE

    def item(self, part: str) -> str:
        """The name of a graded item: the grade_id of its cell."""
        return f"{self.id}_{part}"

    def call(
        self,
        wait: float = 0.0,
        service: Service | None = None,
        patience: float | None = None,
        also: Service | None = None,
        in_time: bool = False,
        refused: bool = False,
    ) -> CheckRequest:
        """Return a `CheckRequest` with fresh random values that waits ``wait`` seconds, or calls ``service`` with fresh tokens.

        With ``patience`` (s), the expected response is the one of a request that gives up after so long, or, with ``in_time``,
        of one whose reply comes in time. With ``refused``, it's the one of a request with a call that the service refuses.
        ``also`` is the endpoint's second service.
        """
        late = patience is not None and not in_time
        if patience is not None and late:
            wait = patience
        token = secrets.token_hex(6)
        values: dict[str, Any] = {
            "number": random.SystemRandom().randrange(100_000, 1_000_000),
            "token": token,
            "wait": round(wait, 4),
            "patience": PATIENCE_S if patience is None else round(patience, 4),
        }
        tokens: tuple[str, ...] = ()
        if service is not None:
            tokens = (
                (token,) if self.upstream_calls == 1 else tuple(f"{token}-{i + 1}" for i in range(self.upstream_calls))
            )
            replies = [service.result(self.job, token) if self.job else service.reply(token) for token in tokens]
            values |= {"reply": replies[0], "second": replies[-1], "replies": replies, "total": sum(replies)}
        method, _, path = self.request.partition(" ")
        if also is not None:
            values["other"] = also.reply(tokens[0])
        answer = self.late if late else self.refused if refused else self.answer
        return CheckRequest(method, path.format_map(values), fill_template(answer, values), values["wait"], tokens)


def fill_template(template: Any, values: dict[str, Any]) -> Any:
    """Fill ``{name}`` into every string of a JSON-like value; a string that is only ``{name}`` keeps its type."""
    if isinstance(template, dict):
        return {key: fill_template(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill_template(value, values) for value in template]
    if isinstance(template, str):
        name = template[1:-1]
        if template == "{" + name + "}" and name in values:
            return values[name]
        return template.format_map(values)
    return template
