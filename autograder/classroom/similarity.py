"""``./course class similar``: answers of a class that are alike, as hints for a person.

Code is read and compared, never run. Each answer is a sequence of tokens, in which lines that the starter has too don't
count. Two measures from 0 to 1 are given: ``structure`` compares tokens with all names and literals taken for the same, and
``text`` compares them as they are written. Answers to a short exercise often have one structure, so pairs are ordered by text.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Indel  # comes with nbgrader

from autograder import paths
from autograder.classroom import handed_in
from autograder.classroom import submission as reading
from autograder.classroom.lessons import LessonMismatch, lesson_of
from autograder.classroom.nbgrader.gradebook import Course, CourseError
from autograder.judge.spec.exercise import Exercise, load
from autograder.judge.spec.variants import Variant, filled

LEAST = 0.9  # of structure, from which on a pair is shown
TOKENS_MIN = 15  # an answer that adds less to the starter is like all others
PAIRS_MAX = 50  # pairs shown of one endpoint
TOKENS_MAX = 8_000  # of one answer that are compared, besides those that the starter has
LETTERS_MAX = 0x10FFFF - 0xE000  # different tokens of a class: so many characters there are above the surrogates

# Each text is divided in one pass, whatever it is: every alternative that begins matches. (A lexer of pygments takes minutes
# for some texts, and nobody needs its finer kinds.)
TOKENS = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    | (?P<string>[rbfuRBFU]{0,2}(?:
        \"{3}(?:[^"\\]|\\(?:.|\Z)|"(?!""))*(?:\"{3}|\Z)
        | '{3}(?:[^'\\]|\\(?:.|\Z)|'(?!''))*(?:'{3}|\Z)
        | "(?:[^"\\\n]|\\(?:.|\Z))*(?:"|(?=\n)|\Z)
        | '(?:[^'\\\n]|\\(?:.|\Z))*(?:'|(?=\n)|\Z)
      ))
    | (?P<number>\d[\w.]*)
    | (?P<name>[^\W\d]\w*)
    | (?P<newline>\n)
    | (?P<space>[^\S\n]+|\\\n)
    | (?P<sign>[!=<>]=|<<|>>|\*\*|//|:=|->|.)
    """,
    re.VERBOSE | re.DOTALL,
)
WORDS = frozenset((*keyword.kwlist, *dir(builtins), "self", "cls"))  # names that mean the same everywhere


@dataclass
class Answer:
    """One text: ``who`` is a student or a public answer, ``plain`` and ``renamed`` have a letter for each token."""

    who: str
    plain: str
    renamed: str


@dataclass
class Pair:
    """Two answers to a file of an exercise that are alike. ``public`` is the closest public answer to the first one, and
    ``public_text`` how close it is: two students who used the same public answer are like it, too."""

    lesson: str
    file: str
    students: tuple[str, str]
    structure: float
    text: float
    public: str
    public_text: float


class Letters:
    """Stands each token for a letter of its own, because the comparison is fastest for strings."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def of(self, tokens: Iterable[str]) -> str:
        """Return a string with a letter for each token."""
        return "".join(map(self._letter, tokens))

    def _letter(self, token: str) -> str:
        """Return the letter of a token. When all are given away, new tokens share them, and few share the same."""
        if token not in self._letters:
            number = len(self._letters)
            if number >= LETTERS_MAX:
                return chr(0xE000 + zlib.crc32(token.encode(errors="surrogatepass")) % LETTERS_MAX)
            self._letters[token] = chr(0xE000 + number)
        return self._letters[token]


def main(folder: str, lessons: list[str] | tuple[str, ...] = (), least: float = LEAST, as_json: bool = False) -> int:
    """Print the pairs whose structure is alike from ``least`` (0 to 1) up. Returns 0, or 2 for bad input."""
    try:
        course = Course(folder)
        pairs = [pair for lesson in course.chosen(list(lessons)) for pair in compare(course, lesson, least)]
    except (CourseError, LessonMismatch) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(json.dumps({"pairs": [asdict(pair) for pair in pairs]}, indent=2) if as_json else as_text(pairs))
    return 0


def compare(course: Course, assignment: str, least: float = LEAST) -> Iterator[Pair]:
    """Yield the pairs of an assignment that are alike, the most alike first in each file of it."""
    folders = {
        student: folder for student, folder in course.handed_in(assignment).items() if not handed_in.problem(folder)
    }
    for notebook, ids in course.items(assignment).items():
        lesson = lesson_of(ids, assignment, notebook, course.source(assignment))
        if lesson is None:
            continue
        exercise = load(paths.exercise(lesson))
        draws = course.variants(lesson, folders)
        texts: dict[str, dict[str, str]] = {tasks[0].file: {} for tasks in exercise.files}
        for student, submission in _read(folders, notebook):
            for tasks in exercise.files:
                if answer := submission.app(tasks[0])[0]:  # of the rest of a notebook nothing is kept
                    texts[tasks[0].file][student] = answer
        for tasks in exercise.files:
            starters = {who: of_variant(lesson, draws[who], tasks[0]) for who in texts[tasks[0].file]}
            found = alike(texts[tasks[0].file], *public_answers(exercise, tasks[0]), least, starters)
            for first, second, structure, text, public, public_text in found:
                yield Pair(assignment, tasks[0].file, (first, second), structure, text, public, public_text)


def of_variant(lesson: str, variant: Variant | None, task: Any) -> str | None:
    """Return the starter of a task as a student with this variant got it; None without one: it's everybody's."""
    return load(paths.exercise(lesson), variant).answer_text(task, "starter") if variant else None


def _read(folders: dict[str, Path], notebook: str) -> Iterator[tuple[str, reading.Submission]]:
    """Yield each student's notebook that can be read."""
    for student, folder in folders.items():
        try:
            yield student, reading.read(folder / f"{notebook}.ipynb")
        except reading.UnreadableSubmission:
            continue


def public_answers(exercise: Exercise, task: Any) -> tuple[str, dict[str, str]]:
    """Return the starter of a task, and the answers that everyone can read in the course's repository.

    Nobody can read those of a teacher's own exercise.
    """
    starter = exercise.answer_file(task, "starter")
    if exercise.folder.parent != paths.SOLUTIONS:
        return exercise.answer_text(task, "starter"), {}
    answers = {f"{file.parent.name}/{file.stem}": file for file in starter.parent.glob(f"*/*{starter.suffix}")}
    answers |= {file.stem: file for file in starter.parent.glob(f"*{starter.suffix}") if file != starter}
    return exercise.answer_text(task, "starter"), {
        name: filled(file.read_text(encoding="utf-8"), exercise.variant) for name, file in sorted(answers.items())
    }


def alike(
    texts: dict[str, str],
    starter: str,
    public: dict[str, str],
    least: float = LEAST,
    starters: Mapping[str, str | None] | None = None,
) -> list[tuple[str, str, float, float, str, float]]:
    """Return (student, student, structure, text, closest public answer, its text) of the pairs that are alike.

    ``texts`` are answers by student, and ``least`` is the structure from which on a pair counts. ``starters`` has the starter
    of each student who was given another one.
    """
    letters = Letters()
    common = _lines(starter)
    own = {who: _lines(text) if text else common for who, text in (starters or {}).items()}
    answers = [_answer(who, text, own.get(who, common), letters) for who, text in sorted(texts.items())]
    known = [_answer(who, text, common, letters) for who, text in public.items()]
    answers = [answer for answer in answers if len(answer.plain) >= TOKENS_MIN]
    found = []
    for number, first in enumerate(answers):
        for second in answers[number + 1 :]:
            structure = Indel.normalized_similarity(first.renamed, second.renamed, score_cutoff=least)
            if structure >= least:
                found.append((first, second, structure, Indel.normalized_similarity(first.plain, second.plain)))
    found.sort(key=lambda pair: (-pair[3], -pair[2], pair[0].who, pair[1].who))
    return [
        (a.who, b.who, round(structure, 3), round(text, 3), *_closest(a, known))
        for a, b, structure, text in found[:PAIRS_MAX]
    ]


def _lines(starter: str) -> Counter[str]:
    """Return how often each line of tokens is in a starter."""
    return Counter(" ".join(line) for line in token_lines(starter))


def _closest(answer: Answer, known: list[Answer]) -> tuple[str, float]:
    """Return the name of the public answer whose text is closest, and how close it is."""
    near = [(Indel.normalized_similarity(answer.plain, other.plain), other.who) for other in known]
    text, who = max(near, default=(0.0, ""))
    return who, round(text, 3)


def _answer(who: str, text: str, common: Counter[str], letters: Letters) -> Answer:
    """Return an answer without the lines that it shares with the starter."""
    left = common.copy()
    plain: list[str] = []
    for line in token_lines(text):
        if left[" ".join(line)] > 0:
            left[" ".join(line)] -= 1
        else:
            plain += line
        if len(plain) >= TOKENS_MAX:
            break
    del plain[TOKENS_MAX:]
    return Answer(
        who, letters.of(plain), letters.of(token.partition(" ")[0] if token[:1] == "\0" else token for token in plain)
    )


def token_lines(text: str) -> Iterator[list[str]]:
    """Yield the tokens of each line of Python code that has any, without comments, docstrings and white space.

    Names and literals begin with a zero character and their kind, so that `_answer` can take them for the same. A text that
    isn't Python has tokens, too: nothing is refused.
    """
    line: list[str] = []
    for match in TOKENS.finditer(text):
        kind, value = match.lastgroup, match.group()
        if kind == "newline":
            if line and not _is_docstring(line):
                yield line
            line = []
        elif kind == "name" and value not in WORDS:
            line.append(f"\0name {value}")
        elif kind in ("string", "number"):
            line.append(f"\0literal {value}")
        elif kind in ("name", "sign"):
            line.append(value)
    if line and not _is_docstring(line):
        yield line


def _is_docstring(line: list[str]) -> bool:
    """True for a line that is only a text: it does nothing."""
    return len(line) == 1 and line[0][-1:] in ("'", '"')


def as_text(pairs: list[Pair]) -> str:
    """Return the report for people."""
    lines = []
    for place in dict.fromkeys((pair.lesson, pair.file) for pair in pairs):
        lines.append(", ".join(place))
        for pair in pairs:
            if (pair.lesson, pair.file) == place:
                lines.append(
                    f"  {pair.students[0]} and {pair.students[1]}: structure {pair.structure:.0%}, text {pair.text:.0%}"
                    + (f"; closest public answer: {pair.public} ({pair.public_text:.0%})" if pair.public else "")
                )
    if not pairs:
        return "No two answers are alike."
    return "\n".join([*lines, "These are hints: short answers are often alike. Read both before you talk to anyone."])
