"""Learner-facing text is plain technical English: phrases that were replaced don't come back."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest

from autograder import paths

# what isn't written, and what is written instead
PHRASES = {
    r"mend(s|ed|ing)?": "fix",
    r"(is|are|was|were|be) told (that|of|so|to)": "the message is, reports, says",
    r"tells of": "reports",
    r"guests?": "client, request",
    r"waits? for whom|who waits": "which request waits for which",
    r"nobody": "name the process or the request: no request is served",
    r"beside (a|the|\d+|many|other) (hogs?|loads?|race|canar\w+)": "during, under load from",
    r"hogs?": "CPU-bound process",
    r"lets? go|letting go": "releases",
    r"st(and|ands|ood|anding) in (the|a) queue": "waits for a CPU, waits in line",
    r"turns? of (the|its|a) (event )?loop": "iteration",
    r"kept from before": "cached",
    r"asked anew|asks? a service": "fetched again, calls a service",
    r"hands? over to a thread": "offloads to a thread",
    r"behind (the|its|their|an|every|each) (answers?|repl(y|ies)|responses?)": "after the response",
    r"the word `async": "the `async` keyword",
    r"jail(s|ed)?": "sandbox",
    r"pager": "alert",
    r"the machine did not let us": "the machine was too busy to tell",
    r"repaired row": "fix",
}
DOCS = [
    *(paths.ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((paths.ROOT / "docs").rglob("*.md")),
]
SOURCES = sorted(paths.SOLUTIONS.glob("*/lesson.py")) + sorted(paths.SOLUTIONS.glob("*/exercise.py"))
EXERCISES = sorted(paths.SOLUTIONS.glob("*/exercise.toml"))
DIAGNOSES = sorted((paths.ROOT / "autograder" / "judge" / "diagnoses").glob("*.py"))


def found_in(text: str) -> Iterator[str]:
    """Yield each phrase of the list that occurs in ``text``, with what to write instead."""
    text = re.sub(r"^>.*$", "", text, flags=re.M)  # quotations have their own words,
    text = re.sub(r"```.*?```|`(?!async`)[^`\n]+`", "`code`", text, flags=re.S)  # and so has code
    # a diagnosis in exercise.toml is called so
    text = re.sub(r"\"kept from before\"|kept from before, called twice|\| kept from before \|", "", text)
    text = re.sub(r"\s+", " ", text)
    for phrase, instead in PHRASES.items():
        for match in re.finditer(rf"\b({phrase})\b", text, re.I):
            around = text[max(match.start() - 40, 0) : match.end() + 40]
            yield f"{match[0]!r} in '…{around}…': write {instead!r}"


def label(file: Path) -> str:
    """Return a file's name for the list of tests."""
    return str(file.relative_to(paths.ROOT))


@pytest.mark.parametrize("page", DOCS, ids=label)
def test_pages_use_plain_words(page):
    assert not list(found_in(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", SOURCES, ids=label)
def test_notebooks_use_plain_words(file):
    """Markdown cells of lessons and exercises; what is quoted from others is left out."""
    cells = jupytext.read(file, fmt="py:percent").cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert texts and not list(found_in("\n\n".join(texts)))


def words_of_code(text: str) -> str:
    """Return the comments, and the strings of more than one word, of code that may contain magics and syntax errors."""
    comments = re.findall(r"(?:^|\s)#\s?(.+)$", text, re.M)
    strings = re.findall(r'"((?:[^"\n\\]|\\.)*)"', text)
    return "\n\n".join([*comments, *(said for said in strings if " " in said)])


@pytest.mark.parametrize("folder", sorted(path.parent for path in SOURCES if path.name == "lesson.py"), ids=label)
def test_code_uses_plain_words(folder):
    """Comments and messages in the code that a learner opens: code cells, and the files of answers and apps."""
    texts = []
    for name in ("lesson.py", "exercise.py"):
        if (folder / name).exists():
            cells = jupytext.read(folder / name, fmt="py:percent").cells
            texts += [cell.source for cell in cells if cell.cell_type == "code"]
    apps = [file for file in sorted(folder.rglob("*.py")) if file not in SOURCES]
    texts += [file.read_text(encoding="utf-8") for file in apps]
    assert texts and not list(found_in("\n\n".join(map(words_of_code, texts))))


@pytest.mark.parametrize("file", EXERCISES, ids=label)
def test_exercise_texts_use_plain_words(file):
    """Titles, and what a check says that it doesn't look for."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    tasks = [*data.get("endpoint", ()), *data.get("written", ())]
    texts = [task.get(key, "") for task in tasks for key in ("title", "not_checked")]
    texts += [says for task in tasks for key in ("honest", "blocking") for says in task.get(key, {}).values()]
    assert not list(found_in("\n\n".join(texts)))


@pytest.mark.parametrize("file", DIAGNOSES, ids=label)
def test_diagnoses_use_plain_words(file):
    """Every text in the code of diagnoses, docstrings left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not list(found_in("\n\n".join(text for text in texts if text not in docstrings and " " in text)))


@pytest.mark.parametrize(
    "wrong", ["It is told that it blocks.", "Each guest\nwaits.", "Nobody is answered.", "mends it", "the word `async`"]
)
def test_replaced_phrases_are_found(wrong):
    assert list(found_in(wrong))


@pytest.mark.parametrize("wrong", ["x = 1  # Nobody asks", "# it mends\nx", 'print("the pager rings")'])
def test_comments_and_messages_are_read(wrong):
    assert list(found_in(words_of_code(wrong)))


def test_quotations_keep_their_words():
    """Quotations, options and identifiers may keep the old words."""
    assert not list(found_in('> Nobody noticed.\n\n`--hogs 8`, a roommate, kind = "kept from before"'))
