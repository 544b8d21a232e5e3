"""Reading submitted notebooks: as data only, however damaged they are."""

import json
from copy import deepcopy
from random import Random

import pytest

from autograder import paths
from autograder.classroom import submission
from autograder.judge.spec.exercise import load

REPORT = load(paths.SOLUTIONS / "01_sleeping").endpoint("report")


def notebook(*cells, **course):
    return {
        "cells": [
            {
                "cell_type": "code",
                "source": source,
                "metadata": {"nbgrader": {"grade_id": grade_id}} if grade_id else {},
            }
            for grade_id, source in cells
        ],
        "metadata": {"course": course} if course else {},
    }


def read(tmp_path, data):
    file = tmp_path / "x.ipynb"
    file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return submission.read(file)


def test_cell_keeps_its_line_numbers(tmp_path):
    """The cell becomes the file with the same line numbers."""
    cell = "%%app report.py\nimport time\n\nx = 1\n"
    text, remark = read(tmp_path, notebook(("report", cell))).app(REPORT)
    assert text.splitlines()[1:] == cell.splitlines()[1:] and text.startswith("# report.py")
    assert remark == ""


def test_cell_is_found_by_magic(tmp_path):
    """A cell that lost its grade id is found by its first line."""
    text, _ = read(tmp_path, notebook((None, "x = 1"), (None, "%%app report.py\ny = 2"))).app(REPORT)
    assert "y = 2" in text and "x = 1" not in text


def test_cell_is_found_by_id(tmp_path):
    """A cell whose first line is lost or renamed is found by its grade id."""
    text, _ = read(tmp_path, notebook(("report", "y = 2"))).app(REPORT)
    assert text.splitlines()[1] == "y = 2"
    text, _ = read(tmp_path, notebook(("report", "%%app other.py\ny = 2"))).app(REPORT)
    assert text.splitlines()[1] == "y = 2"


def test_last_of_several_cells_counts(tmp_path):
    """Of several cells for one file the last counts, and a remark says so."""
    cells = [("report", "%%app report.py\nx = 1"), ("report", "%%app report.py\nx = 2")]
    text, remark = read(tmp_path, notebook(*cells)).app(REPORT)
    assert "x = 2" in text and "2 cells claim to be report.py" in remark


def test_missing_or_huge_cell_reported(tmp_path):
    """A cell that is missing or far too long is reported."""
    text, remark = read(tmp_path, notebook(("other", "x"))).app(REPORT)
    assert text is None and "no cell for report.py" in remark
    text, remark = read(tmp_path, notebook(("report", "#" * 300_000))).app(REPORT)
    assert text is None and "300,000 characters" in remark


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "the file is empty"),
        (b"\x00\xff" * 50, "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"cells": [' + b"{}," * 6_000_000 + b"{}]}", "too many parts"),
        (b"[]", "not a notebook"),
        (b"{}", "not a notebook"),
        (b'{"cells": {}}', "not a notebook"),
    ],
)
def test_invalid_notebook_is_refused(tmp_path, data, says):
    """A file that is no notebook is refused with a message that says why."""
    with pytest.raises(submission.UnreadableSubmission, match=says):
        read(tmp_path, data)


def test_odd_cells_are_skipped(tmp_path):
    """Cells and metadata of an unexpected shape are skipped."""
    data = {
        "cells": [
            None, 7, "x", [], {}, {"cell_type": "code"}, {"cell_type": "code", "source": 7},
            {"cell_type": "code", "source": ["a", 7, "b"]}, {"cell_type": ["code"], "source": "x"},
            {"cell_type": "code", "source": "x", "metadata": 7},
            {"cell_type": "code", "source": "x", "metadata": {"nbgrader": {"grade_id": ["report"]}}},
        ],
        "metadata": {"course": {"lesson": ["x"], "kind": 7}},
    }  # fmt: skip
    read_in = read(tmp_path, data)
    assert read_in.lesson is None and read_in.kind is None
    assert (None, "ab") in read_in.cells
    assert read_in.app(REPORT)[0] is None


def mutated(data, random):
    """A notebook's JSON with something wrong somewhere: in a value, in a key, or in its bytes."""
    odd = [
        None,
        True,
        0,
        -1.5,
        1e999,
        "",
        "\ud800",
        "%%app report.py",
        [],
        {},
        [[]],
        {"cells": []},
        "x" * 1000,
        {"": None},
    ]
    value = json.loads(data)
    for _ in range(random.randint(1, 6)):
        parent, here = None, value
        while isinstance(here, (dict, list)) and here and (parent is None or random.random() < 0.8):
            key = random.choice(list(here) if isinstance(here, dict) else range(len(here)))
            parent, here = (here, key), here[key]
        if parent is None:
            break
        container, key = parent
        action = random.randrange(4)
        if action == 0:
            container[key] = deepcopy(random.choice(odd))
        elif action == 1:
            del container[key]
        elif action == 2 and isinstance(container, list):
            container.insert(key, deepcopy(random.choice([here, *odd])))
        elif isinstance(container, dict):
            container[random.choice(["cells", "source", "metadata", "nbgrader", "grade_id", "course", "kind"])] = (
                deepcopy(here)
            )
    text = bytearray(json.dumps(value).encode())
    if random.random() < 0.3:
        for _ in range(random.randint(1, 20)):
            place = random.randrange(len(text) + 1)
            text[place : place + random.randint(0, 5)] = random.randbytes(random.randint(0, 5))
    return bytes(text)


@pytest.mark.parametrize("number", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_notebooks_crash_nothing(tmp_path, number):
    """Every file gives either a submission or an error message, and everything read from it is text."""
    random = Random(20261122)
    released = (paths.NOTEBOOKS / "01_sleeping" / "exercise_01_sleeping.ipynb").read_bytes()
    small = json.dumps(
        notebook(("report", "%%app report.py\nx = 1"), (None, "y"), lesson="01_sleeping", kind="exercise")
    )
    broken = found = 0
    file = tmp_path / "x.ipynb"
    for turn in range(number):
        file.write_bytes(mutated(released if turn % 10 == 0 else small, random))
        try:
            submitted = submission.read(file)
        except submission.UnreadableSubmission as problem:
            broken += 1
            assert str(problem)
            continue
        text, remark = submitted.app(REPORT)
        found += text is not None
        assert isinstance(remark, str) and (text is None) <= bool(remark)
        if text is not None:
            text.encode("utf-8", errors="replace")
    assert broken > number / 100 and found > number / 10, "the inputs are neither all good nor all bad"
