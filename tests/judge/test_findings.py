"""Exercise 11: the lines that its truth names block, each of them and no other; lists are judged as the catalogue says."""

import json
import os

import nbformat
import pytest

from autograder import lab, paths, services
from autograder.classroom import grade
from autograder.judge import checks
from autograder.judge.catalogue.catalogue import written
from autograder.judge.spec.exercise import load, public_text
from autograder.judge.tasks.factory import judging
from autograder.judge.tasks.findings import check_readable, read, remarks
from autograder.lab import server

FOLDER = paths.SOLUTIONS / "11_finding_it"
TASK = load(FOLDER).endpoint("findings")
REFERENCE = (FOLDER / "answers/findings/reference.txt").read_text()
TRUTH = set(read(REFERENCE).named)
# every endpoint, and the blockers that it runs into
ENDPOINTS = {
    "GET /rules": set(),
    "GET /books/{i}": {("library.py", 48)},
    "GET /magazines/{i}": set(),
    "GET /maps/{i}": set(),
    "GET /shelves/{i}": set(),
    "GET /cards?card={i}": {("library.py", 33)},
    "GET /today": set(),
    "GET /labels/{i}": {("desk.py", 23)},
    "GET /binding/{i}": {("library.py", 89)},
    "GET /repairs/{i}": set(),
    "POST /loans/{i}": {("journal.py", 18), ("desk.py", 33)},
    "POST /returns/{i}": set(),
    "GET /pages/{i}": {("desk.py", 42)},
    "GET /covers/{i}": set(),
    "GET /inventory": {("journal.py", 30)},
    "GET /fees/{i}": {("desk.py", 57)},
}


# of a question in two lines: the one that only picks up what has come, which leads to nothing and holds nobody
PICKS_UP = {("journal.py", 19): "archive.read()", ("library.py", 49): "offer.json()"}


@pytest.fixture(scope="module")
def library():
    app = lab.Server(FOLDER / "given" / "library.py", services.get("upstream").environment)
    yield app.wait_until_ready()
    app.stop()


def seen_in(race):
    return {(os.path.basename(block.file), block.line) for block in race.blocked if block.line}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_library_blocks_where_expected(library, endpoint):
    """Races see each blocking line of the sample app and, in some run, no other line."""
    method, path = endpoint.split()
    always = None
    for _ in range(5):  # a busy machine adds stalls, and never takes one away: one race without a stall acquits a line
        race = await lab.race(path, n=3, method=method, app=library, show=False)
        assert all(request.ok for request in race.requests), race
        seen = seen_in(race)
        assert ENDPOINTS[endpoint] <= seen
        always = seen if always is None else always & seen
        if always == ENDPOINTS[endpoint]:
            return
    raise AssertionError(f"blocked every time: {always}")


async def test_race_distinguishes_waiting_from_reading(tmp_path):
    """If the upstream delays in the middle of its response, the line that reads the body blocks instead of the one that sends."""
    for file in (FOLDER / "given").iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("?wait=0.09", "?slow=0.09"))
    app = lab.Server(tmp_path / "library.py", services.get("upstream").environment)
    try:
        app.wait_until_ready()
        always = None
        for _ in range(5):
            race = await lab.race("/loans/{i}", n=3, method="POST", app=app, show=False)
            seen = seen_in(race)
            assert ("journal.py", 19) in seen
            always = seen if always is None else always & seen
            if ("journal.py", 18) not in always:
                return
    finally:
        app.stop()
    raise AssertionError(f"blocked every time: {always}")


def test_reading_line_is_no_blocker():
    """A line that only reads a response which has arrived is neither a blocker nor on the way to one."""
    for (file, line), code in PICKS_UP.items():
        assert code in (FOLDER / "given" / file).read_text().splitlines()[line - 1]
        assert (file, line) not in {*TASK.blockers, *TASK.on_the_way}


def test_every_blocker_is_raced(library):
    """The races cover every endpoint and meet every blocking line."""
    text = (FOLDER / "given" / "library.py").read_text()
    assert text.count("@app.") == len(ENDPOINTS)
    assert set().union(*ENDPOINTS.values()) == TRUTH


def test_exercise_lists_the_true_blockers():
    """The exercise's blocking lines are those that the races found, one point each."""
    assert set(TASK.blockers) == TRUTH
    assert len(TASK.blockers) == TASK.points["found"]
    assert not set(TASK.blockers) & set(TASK.on_the_way)


def test_reference_quotes_existing_code():
    """The reference quotes the code of its lines; a wrong line, quotation or file gets a remark."""
    assert remarks(REFERENCE, FOLDER / "given") == []
    assert "does not hold nap" in remarks("desk.py:23 nap", FOLDER / "given")[0]
    assert "has 68 lines" in remarks("desk.py:69 nap", FOLDER / "given")[0]
    assert "no file shop.py" in remarks("shop.py:1 nap", FOLDER / "given")[0]


@pytest.mark.parametrize("answer", written(load(FOLDER)), ids=lambda answer: answer.label)
async def test_verdict(answer):
    verdict = await judging(answer.file, TASK).verdict_with_retries("found")
    assert verdict.outcome == ("fail" if answer.wrong else "pass"), verdict
    if answer.wrong:
        assert answer.wrong.fits(verdict.kind, verdict.diagnosis), verdict.diagnosis


def points(tmp_path, text):
    file = tmp_path / "findings.txt"
    file.write_text(text)
    return judging(file, TASK)


async def test_wrong_findings_cost_points(tmp_path):
    """Each line found earns a point and each wrong accusation costs one."""
    lines = REFERENCE.splitlines()[1:]
    for right, wrong, worth in ((9, 0, 9), (5, 0, 5), (9, 3, 6), (2, 4, 0)):
        text = "\n".join(lines[:right] + [f"library.py:{n}" for n in range(1, wrong + 1)])
        assert (await points(tmp_path, text).verdict_with_retries("found")).points(9) == worth


async def test_released_files_hide_the_lines(tmp_path):
    """What learners get doesn't reveal the blocking lines."""
    public = "".join(
        file.read_text() for file in (paths.NOTEBOOKS / FOLDER.name).iterdir() if file.suffix in (".ipynb", ".toml")
    )
    for file, line in TRUTH:
        assert f"{file}:{line}" not in public


def test_learners_copy_has_no_answer():
    """Digests of a few hundred possible lines are no secret: the copy has neither those nor the lines."""
    public = load(paths.NOTEBOOKS / FOLDER.name).endpoint("findings")
    assert TASK.blockers and TASK.on_the_way
    assert not (public.blockers or public.on_the_way or public.accepted or public.wrong)
    assert "truth" not in (paths.NOTEBOOKS / FOLDER.name / "exercise.toml").read_text()


def test_visible_check_reveals_no_line():
    """The visible check says the same of any line."""
    lines = [f"library.py:{number}" for number in range(1, 120)]
    assert len({check_readable(line, TASK) for line in lines}) == 1
    assert check_readable(REFERENCE, TASK) == check_readable("\n".join(lines[:9]), TASK)
    assert not check_readable("nothing at all", TASK)[0] and not check_readable("", TASK)[0]
    assert not check_readable("\n".join(lines), TASK)[0]


async def test_findings_need_the_sources(tmp_path, monkeypatch):
    """Without the course's sources a list of findings isn't judged."""
    monkeypatch.setattr(paths, "SOLUTIONS", tmp_path)
    verdict = await points(tmp_path, REFERENCE).verdict_with_retries("found")
    assert verdict.outcome == "error" and "not here" in verdict.diagnosis


@pytest.mark.parametrize("name, worth", [("reference", 9), ("wrong/all_and_three_more", 6), ("starter", 0)])
def test_submission_is_graded_by_blocker(name, worth, tmp_path, capsys):
    """A submitted list of findings is graded blocker by blocker."""
    file = tmp_path / "exercise.ipynb"
    notebook = nbformat.read(paths.NOTEBOOKS / FOLDER.name / f"exercise_{FOLDER.name}.ipynb", 4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "findings":
            cell.source = "%%keep findings.txt\n" + (FOLDER / f"answers/findings/{name}.txt").read_text()
    nbformat.write(notebook, file)
    assert grade.main([str(file)], as_json=True) == (0 if worth == 9 else 1)
    (result,) = json.loads(capsys.readouterr().out)["submissions"]
    assert (result["points"], result["max_points"]) == (worth, 9)
    assert [item["id"] for item in result["items"]] == ["findings_found"]


def test_notebook_withholds_the_lines(tmp_path, monkeypatch):
    """After the first cell of exercise 11, races of the apps next to it name no lines. In other exercises they do."""
    monkeypatch.setattr(server, "_withheld", set())
    for folder in (FOLDER, paths.SOLUTIONS / "01_sleeping"):
        here = tmp_path / folder.name
        here.mkdir()
        (here / "exercise.toml").write_text(public_text(folder))
        monkeypatch.chdir(here)
        checks.here()
    assert server._withheld == {tmp_path / FOLDER.name}
