"""The kinds of diagnosis are one list: the enum, docs/verdicts.md, docs/exercises.md, and what exercises may ask for."""

import json
import re

import pytest

from autograder import paths
from autograder.judge.spec.schema import schema
from autograder.judge.verdict import DiagnosisKind, Outcome

OF_APPS = list(DiagnosisKind)[: list(DiagnosisKind).index(DiagnosisKind.NOTHING_NAMED)]


def test_table_lists_exactly_the_enum():
    text = (paths.ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    section = text.split("### Kinds of diagnosis\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| ([a-z ]+) \| .+ \|$", section, re.M)
    assert rows[0] == "kind" and rows[1:] == [kind.value for kind in DiagnosisKind]


def test_authors_page_lists_all_kinds():
    """The page for authors lists exactly the kinds that an app's answer can have."""
    text = (paths.ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    listed = text.split("The kinds of diagnosis are: ")[1].split(".")[0]
    assert {kind.strip() for kind in listed.replace("\n", " ").split(",")} == {kind.value for kind in OF_APPS}


def test_schema_names_every_kind():
    assert json.dumps([kind.value for kind in DiagnosisKind])[1:-1] in json.dumps(schema())


@pytest.mark.parametrize("word", [*Outcome, *DiagnosisKind])
def test_words_stay_plain_strings(word):
    """They're compared with and printed as the words of exercise.toml, of `./course grade --json` and of old results."""
    plain = word.value
    assert type(plain) is str and word == plain and f"{word}" == plain and json.dumps(word) == json.dumps(plain)
    assert hash(word) == hash(plain)


def test_outcomes_are_in_order():
    """Outcomes are listed from the best to undecided."""
    assert [*Outcome] == ["pass", "fail", "error"]
