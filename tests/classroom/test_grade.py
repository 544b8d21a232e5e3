"""./course grade: broken, hostile and correct submissions each get a clear result, without affecting each other."""

import json
import os

import capabilities
import nbformat
import pytest
from helpers import gone

from autograder import paths
from autograder.classroom import grade
from autograder.judge.spec.exercise import load
from autograder.lab import server

LESSON = "01_sleeping"
EXERCISE = load(paths.SOLUTIONS / LESSON)
RELEASED = paths.NOTEBOOKS / LESSON / f"exercise_{LESSON}.ipynb"


def handed_in(file, **answers):
    """A submission made from the released notebook: endpoint id to the text of its cell below the magic."""
    notebook = nbformat.read(RELEASED, 4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            endpoint = EXERCISE.endpoint(grade_id)
            cell.source = f"%%app {endpoint.file}\n{answers[grade_id]}"
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, file)
    return file


def reference(name):
    return EXERCISE.answer_file(EXERCISE.endpoint(name), "reference").read_text()


REFERENCES = {endpoint.id: reference(endpoint.id) for endpoint in EXERCISE.endpoints}


def result_of(capsys, *paths_):
    code = grade.main([str(path) for path in paths_], as_json=True)
    captured = capsys.readouterr()
    return code, json.loads(captured.out)["submissions"] if captured.out else [], captured.err


def test_references_get_all_points(tmp_path, capsys):
    """References get all points; the starters get only the points for their answers."""
    handed_in(tmp_path / "class" / "ada" / "exercise.ipynb", **REFERENCES)
    handed_in(tmp_path / "class" / "bob" / "exercise.ipynb")
    code, (ada, bob), _ = result_of(capsys, tmp_path / "class")
    assert code == 1
    assert ada["isolation"] == capabilities.best_level()
    assert set(ada) == {"path", "lesson", "isolation", "points", "max_points", "seconds", "items"}
    assert (ada["lesson"], ada["points"], ada["max_points"]) == (LESSON, 9, 9)
    assert [item["id"] for item in ada["items"]] == [
        e.item(part) for e in EXERCISE.endpoints for part in ("answers", "concurrency")
    ]
    assert {item["outcome"] for item in ada["items"]} == {"pass"}
    assert (bob["points"], bob["max_points"]) == (3, 9)
    for item in bob["items"]:
        assert item["outcome"] == ("pass" if item["id"].endswith("answers") else "fail")
        if item["outcome"] == "fail":
            assert "blocked" in item["diagnosis"] and "time.sleep" in item["diagnosis"] and item["points"] == 0


def test_text_for_people(tmp_path, capsys):
    file = handed_in(tmp_path / "x.ipynb", report=reference("report"), price="app = 1", order="app = 1")
    assert grade.main([str(file)]) == 1
    out = capsys.readouterr().out
    assert (
        "3 of 9 points, hidden tests included" in out
        and "PASS  report_answers: 1 of 1" in out
        and "FAIL  price_answers: 0 of 1" in out
    )


BROKEN = {
    "not json": lambda file: file.write_bytes(b"\x89PNG not json"),
    "cut off": lambda file: file.write_bytes(RELEASED.read_bytes()[:5000]),
    "no graded cell": lambda file: file.write_text(json.dumps({"cells": [], "metadata": {}})),
    "another lesson": lambda file: file.write_text(
        json.dumps({"cells": [], "metadata": {"course": {"lesson": "77_else", "kind": "exercise"}}})
    ),
    "the walk-through": lambda file: file.write_bytes(
        (paths.NOTEBOOKS / LESSON / f"lesson_{LESSON}.ipynb").read_bytes()
    ),
}


def test_broken_files_stop_no_others(tmp_path, capsys):
    """A broken file gets a clear result and doesn't stop the files after it."""
    for name, make in BROKEN.items():
        make(tmp_path / f"{name}.ipynb")
    named = tmp_path / f"exercise_{LESSON}.ipynb"
    named.write_bytes(b"{")
    good = handed_in(tmp_path / "z.ipynb", **REFERENCES)
    files = [*(tmp_path / f"{name}.ipynb" for name in BROKEN), named, good]
    code, results, _ = result_of(capsys, *files)
    assert code == 1
    *broken, by_name, fine = results
    for result in broken:
        assert result["points"] == 0 and len(result["items"]) == 1
        item = result["items"][0]
        assert item["outcome"] == "error" and item["diagnosis"].startswith("Not graded: ")
    # the file's name says which lesson was meant, so its items are known, and worth nothing
    assert (by_name["points"], by_name["max_points"], len(by_name["items"])) == (0, 9, 6)
    assert {item["outcome"] for item in by_name["items"]} == {"fail"}
    assert fine["points"] == 9


def test_cells_deleted_doubled_and_retitled(tmp_path, capsys):
    file = handed_in(tmp_path / "x.ipynb", **REFERENCES)
    notebook = nbformat.read(file, 4)
    cells = []
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id == "report" or grade_id.startswith("report_"):
            continue  # deleted, with its checks
        if grade_id == "order":
            cell.metadata.nbgrader.grade_id = "something else"  # retitled: its first line still tells
        if grade_id == "price":
            cell.source = cell.source.replace("price.py", "my_price.py")
            cells.append(nbformat.from_dict({**cell, "source": "%%app price.py\n1 / 0", "id": "double"}))
        cells.append(cell)
    notebook.cells = cells
    nbformat.write(notebook, file)
    _, (result,), _ = result_of(capsys, file)
    outcome = {item["id"]: (item["outcome"], item["diagnosis"]) for item in result["items"]}
    assert result["points"] == 6 and result["max_points"] == 9
    assert outcome["report_answers"][0] == "fail" and "no cell for report.py" in outcome["report_answers"][1]
    assert outcome["price_concurrency"][0] == "pass" and outcome["order_concurrency"][0] == "pass"


HOSTILE = {
    # the score is computed by the observer: whatever is printed, patched or killed changes nothing
    "says that it passed": "print('PASS', flush=True)\nimport builtins\nbuiltins.AssertionError = None\n",
    "twenty megabytes": "import sys\nsys.stdout.write('x' * 20_000_000)\nsys.stdout.flush()\n",
    "forged reports": (
        "import json, os\n"
        "for fd in range(3, 30):\n"
        "    try:\n"
        '        os.write(fd, b\'{"kind": "ready", "port": 1, "threads": [], "stacks": false}\\n{"kind": "iteration"}\\nrubbish\\n\')\n'
        "    except OSError:\n"
        "        pass\n"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_noisy_app_earns_no_points(tmp_path, capsys, name):
    """An app that prints or forges reports earns nothing for concurrency."""
    starter = EXERCISE.answer_file(EXERCISE.endpoint("report"), "starter").read_text()
    file = handed_in(tmp_path / "x.ipynb", report=HOSTILE[name] + starter)
    _, (result,), _ = result_of(capsys, file)
    concurrency = result["items"][1]
    assert concurrency["id"] == "report_concurrency" and concurrency["outcome"] != "pass"
    assert concurrency["points"] == 0


KILLERS = {
    "endless import": ("while True:\n    pass\n", "did not finish starting"),
    "exits at import": ("import os\nos._exit(0)\n", "ended before it could answer"),
    "kills its group": ("import os, signal\nos.killpg(0, signal.SIGKILL)\n", "ended before it could answer"),
    "kills its parent's terminal": ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n", "ended before"),
}


@pytest.mark.parametrize("name", KILLERS)
@pytest.mark.heavy
def test_killer_costs_its_own_item(tmp_path, capsys, name, monkeypatch):
    """An app that ends its process costs only its own items; the other endpoints are graded."""

    monkeypatch.setattr(server, "START_LIMIT_S", 8.0)
    text, says = KILLERS[name]
    file = handed_in(tmp_path / "x.ipynb", report=text, order=reference("order"))
    _, (result,), _ = result_of(capsys, file)
    items = {item["id"]: item for item in result["items"]}
    for part in ("answers", "concurrency"):
        assert items[f"report_{part}"]["outcome"] == "fail" and says in items[f"report_{part}"]["diagnosis"]
        assert items[f"order_{part}"]["outcome"] == "pass"


def test_escaped_process_delays_no_grading(tmp_path, capsys, monkeypatch):
    """It leaves the group and keeps our pipes open; the verdict must not wait for it, and with the verdict it ends."""
    monkeypatch.setenv("COURSE_ISOLATION_CEILING", "limits")  # in the namespaces it could not even write its number
    flee = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)\n    os._exit(0)\n"
    )
    file = handed_in(tmp_path / "x.ipynb", report=flee + reference("report"), price="app = 1", order="app = 1")
    _, (result,), _ = result_of(capsys, file)
    assert gone(int((tmp_path / "pid").read_text())) and len(result["items"]) == 6


def test_too_little_isolation_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_ISOLATION_CEILING", "limits")
    file = handed_in(tmp_path / "x.ipynb")
    assert grade.main([str(file)], isolation="required") == 2
    told = capsys.readouterr()
    assert "does not offer the isolation" in told.err and not told.out


def test_internal_error_costs_no_points(tmp_path, capsys, monkeypatch):
    """An exception in the judge is an ERROR of the items concerned, not a FAIL."""

    def broken(self):
        raise LookupError("ours")

    monkeypatch.setattr("autograder.judge.judge.Judge.answers", broken)
    file = handed_in(tmp_path / "x.ipynb")
    _, (result,), _ = result_of(
        capsys,
        file,
    )
    assert {item["outcome"] for item in result["items"]} == {"error"}
    assert "LookupError" in result["items"][0]["diagnosis"]


def test_named_pipe_is_not_read(tmp_path, capsys):
    """A named pipe with the name of a notebook is reported as not a file."""
    os.mkfifo(tmp_path / "pipe.ipynb")
    assert grade.main([str(tmp_path)], as_json=True) == 1
    (result,) = json.loads(capsys.readouterr().out)["submissions"]
    assert "not a file" in result["items"][0]["diagnosis"]


def test_bad_arguments_are_reported(tmp_path, capsys):
    assert grade.main([str(tmp_path / "none.ipynb")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert grade.main([str(tmp_path)]) == 2
    assert "no exercise notebook in this folder" in capsys.readouterr().err
