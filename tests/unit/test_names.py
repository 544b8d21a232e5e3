"""A test's name has at most five words, to be read in a report and searched for; the docstring has the story."""

import ast

from autograder import paths

WORDS = 5


def names_in(text):
    """The names of the test functions and methods in a file's text."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, functions)]
    return [node.name for node in nodes if node.name.startswith("test")]


def too_long(names):
    return [name for name in names if len(name.removeprefix("test_").split("_")) > WORDS]


def test_long_name_is_found():
    """Functions, coroutine functions and methods are counted, and five words are still fine."""
    text = """
def test_one_two_three_four_five(): ...
def test_one_two_three_four_five_six(): ...
async def test_a_b_c_d_e_f(): ...
class TestTea:
    def test_this_is_one_word_too_many(self): ...
"""
    assert too_long(names_in(text)) == [
        "test_one_two_three_four_five_six",
        "test_a_b_c_d_e_f",
        "test_this_is_one_word_too_many",
    ]


def test_names_have_five_words():
    """No test in tests/ has a name of more than five words."""
    files = sorted((paths.ROOT / "tests").rglob("test_*.py"))
    names = {file.relative_to(paths.ROOT).as_posix(): names_in(file.read_text(encoding="utf-8")) for file in files}
    assert sum(map(len, names.values())) > 500, "the tests were found"
    assert {file: long for file, found in names.items() if (long := too_long(found))} == {}
