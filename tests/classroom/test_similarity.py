"""Answers that are alike: renamed copies are found, starters and public answers are known, and nothing is run."""

import json
import subprocess
import sys

import pytest
from class_folder import EXERCISE, LESSON, REFERENCE, STARTER, TASK, hand_in

from autograder import paths
from autograder.benchmarks import class_grading
from autograder.classroom import similarity

OWN = """
import anyio

async def sizes(names):
    found = {}
    for name in names:
        found[name] = (await anyio.Path(name).stat()).st_size
    return sorted(found.items(), key=lambda pair: pair[1])
"""
RENAMED = OWN.replace("names", "files").replace("found", "result").replace("name", "entry") + "# my own work\n"
OTHER = """
from asyncio import to_thread

def read(path):
    with open(path) as file:
        return [line.strip() for line in file if line.strip()]

async def sizes(paths):
    return [await to_thread(read, path) for path in paths]
"""


def test_renamed_copy_is_found() -> None:
    """Renamed variables and other comments don't hide a copy. An independent answer isn't similar, and starter code is ignored."""
    start = (
        "import os\n\nROOT = os.getcwd()\n\n\ndef helper(value):\n    return [value, value, ROOT, os.sep, 1, 2, 3]\n"
    )
    texts = {name: start + text for name, text in (("ada", OWN), ("bob", RENAMED), ("cid", OTHER), ("dan", ""))}
    texts["eve"] = start
    found = similarity.alike(texts, start, {"reference": start + OTHER})
    assert [pair[:3] for pair in found] == [("ada", "bob", 1.0)]
    assert found[0][3] < 1 and found[0][4] == "reference" and found[0][5] < 0.7


def test_broken_code_is_compared() -> None:
    """What isn't Python, and has characters that can't be written, is compared without an error."""
    broken = "def (((:\n" + " ".join(f"x{number}" for number in range(3000)) + "\n'''\0\ud800"
    assert len(similarity.alike({"ada": broken, "bob": broken}, STARTER, {})) == 1


def test_many_tokens_share_letters() -> None:
    """A class with more different tokens than letters doesn't end the comparison, nor make all new tokens the same."""
    letters = similarity.Letters()
    letters.of(str(number) for number in range(similarity.LETTERS_MAX))
    assert len(set(letters.of(f"x{number}" for number in range(1000)))) > 990


@pytest.mark.parametrize("text", [" \n", '"', "'", '"""', "\\", "\\\n", "a.", "#", "1", '\\"', 'f"{', "\x00"])
def test_hostile_text_takes_little(text: str) -> None:
    """Every text of the length that is judged is divided in one pass; some took a lexer of pygments many minutes."""
    assert sum(map(len, similarity.token_lines(text * (200_000 // len(text))))) <= 200_000


def test_tokens_are_those_of_python() -> None:
    """Comments and docstrings don't count; texts over several lines, operators and words are one token each."""
    code = 'def f(a):\n    """Doc."""\n    return len(a) >= 1.5 and rf"x\\"y"  # z\nb = \'\'\'1\n"2\'\'\'\n'
    assert list(similarity.token_lines(code)) == [
        ["def", "\0name f", "(", "\0name a", ")", ":"],
        ["return", "len", "(", "\0name a", ")", ">=", "\0literal 1.5", "and", '\0literal rf"x\\"y"'],
        ["\0name b", "=", "\0literal '''1\n\"2'''"],
    ]


def test_long_comment_hides_nothing() -> None:
    """Only so many tokens of an answer are compared; what doesn't count as one can't push the others out."""
    texts = {"ada": OWN, "bob": "# x\n" * 40_000 + RENAMED}
    assert [pair[:3] for pair in similarity.alike(texts, "", {})] == [("ada", "bob", 1.0)]


def test_public_answers_are_known() -> None:
    """The reference and the catalogue are those that the repository shows everyone."""
    starter, known = similarity.public_answers(EXERCISE, TASK)
    assert starter == STARTER and known["reference"] == REFERENCE
    assert any(name.startswith("wrong/") for name in known) and "starter" not in known


@pytest.mark.heavy
def test_command_lists_pairs(course) -> None:
    """The command reads what was handed in, passes over a broken file, and names the public answer behind a pair."""
    for student, text in (("ada", REFERENCE), ("bob", f"{REFERENCE}\n# mine\n"), ("cid", STARTER)):
        hand_in(course, student, text)
    hand_in(course, "dan", "").write_text("{")
    command = [sys.executable, str(paths.ROOT / "course"), "class", "similar", str(course), LESSON, "--json"]
    done = subprocess.run(command, env=class_grading.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (pair,) = json.loads(done.stdout)["pairs"]
    assert (pair["students"], pair["structure"], pair["text"]) == (["ada", "bob"], 1.0, 1.0)
    assert (pair["public"], pair["public_text"]) == ("reference", 1.0)
