"""The incident is graded blocker by blocker, with one server for the whole file."""

import re
from pathlib import Path

import nbformat
import pytest

from autograder import paths
from autograder.classroom import grade
from autograder.judge import checks, served_app
from autograder.judge.catalogue.catalogue import catalogue
from autograder.judge.diagnoses.lesson_links import recognised
from autograder.judge.spec.exercise import load

LESSON = "13_the_incident"
EXERCISE = load(paths.SOLUTIONS / LESSON)


def handed_in(file, text):
    notebook = nbformat.read(paths.NOTEBOOKS / LESSON / f"exercise_{LESSON}.ipynb", 4)
    cell = next(cell for cell in notebook.cells if cell.id == "shop")
    cell.source = f"%%app shop.py\n{text}"
    nbformat.write(notebook, file)
    return file


@pytest.mark.heavy
async def test_seven_fixes_earn_seven_points(tmp_path):
    """An app with seven of twelve endpoints fixed gets the points of exactly those seven."""
    (answer,) = [a for a in catalogue(EXERCISE) if a.name == "seven_of_twelve"]
    repaired = {endpoint.item("concurrency") for endpoint, expected in answer.expected if expected is None}
    result = await grade.grade(handed_in(tmp_path / "shop.ipynb", answer.text))
    assert len(result.items) == 13 and result.max_points == 15
    assert {item.id for item in result.items if item.outcome == "pass"} == repaired
    assert (len(repaired), result.points) == (7, 7)
    assert not any(item.outcome == "error" for item in result.items)


@pytest.mark.heavy
async def test_passing_shop_is_served_once(tmp_path, monkeypatch):
    """All endpoints of a passing app are judged on one server."""
    started = []

    class Server(served_app.Server):
        def __init__(self, *words, **more):
            started.append(self)
            super().__init__(*words, **more)

    monkeypatch.setattr(served_app, "Server", Server)
    reference = EXERCISE.answer_file(EXERCISE.endpoints[0], "reference").read_text()
    result = await grade.grade(handed_in(tmp_path / "shop.ipynb", reference))
    assert (result.points, result.max_points) == (15, 15), [item for item in result.items if item.outcome != "pass"]
    assert len(started) == 1


async def test_broken_shop_fails_every_item(tmp_path):
    """An app that doesn't start fails every item, and each diagnosis names the exception."""
    result = await grade.grade(handed_in(tmp_path / "shop.ipynb", "app = nothing"))
    assert result.points == 0 and {item.outcome for item in result.items} == {"fail"}
    assert all("NameError" in item.diagnosis for item in result.items)


BLOCKING = {
    "printer", "Supplier.get", "item", "job", "pieces", "quote", "recognise", "rate_of", "tell_the_supplier", "ToTheSupplier.emit",
}  # fmt: skip


async def test_the_load_names_who_blocks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    here = checks.Checks(EXERCISE)
    with pytest.raises(checks.CheckFailed, match="there is no shop.py yet"):
        await here.load()
    Path("shop.py").write_text(EXERCISE.answer_file(EXERCISE.endpoints[0], "starter").read_text())
    day = await here.load(seconds=1.6)
    assert [request.status for request in day.requests] == [200] * 24 and len(day.routes) == 12
    assert {blocker.function for blocker in day.blockers} >= BLOCKING
    said = capsys.readouterr().out
    assert "The lines that blocked the loop" in said and "time.sleep(wait) (in printer)" in said
    Path("shop.py").write_text("app = nothing")
    with pytest.raises(checks.CheckFailed, match="NameError"):
        await here.load()


def hinted(endpoint):
    """The lessons that the hint on a route names."""
    source = (paths.SOLUTIONS / LESSON / "exercise.py").read_text()
    part = source.split(f'concurrency="{endpoint.id}"')[0].rpartition("# ### ")[2]
    return {int(number) for number in re.findall(r"\d\d", re.search(r"Lessons? (\d\d(?: and \d\d)?)\.", part)[1])}


BLOCKED = [
    pytest.param(answer, endpoint, expected.says[0], id=f"{answer.label}-{endpoint.id}")
    for answer in catalogue(EXERCISE)
    for endpoint, expected in answer.expected
    if answer.kind in ("starter", "wrong") and expected and expected.kind == "blocked" and expected.says
]


@pytest.mark.parametrize("answer, endpoint, says", BLOCKED)
def test_blockers_point_to_hinted_lessons(answer, endpoint, says, tmp_path):
    """The diagnosis of a blocking line points to a lesson that the endpoint's hint names."""
    file = tmp_path / answer.file
    file.write_text(answer.text)
    lines = answer.text.splitlines()
    begins = next(number for number, line in enumerate(lines) if line.startswith(f"# --- {endpoint.id}:"))
    # two of its lines block, and the catalogue does not say which of them is named
    says = {"(in item)": "psycopg2.connect(", "(in job)": "time.sleep(0.05)"}.get(says, says)
    number = next(number for number in range(begins, len(lines)) if says in lines[number])
    said = recognised(lines[number].strip(), "", file, number + 1)
    lesson = re.match(r" Lesson (\d\d) shows this", said)
    if (
        answer.name == "member_async_dependency"
    ):  # no middleware any more: the call is what is left, and lesson 10 has no word on it
        assert lesson[1] == "02"
    elif answer.name == "offer_sync_client":  # a name of the learner's, of which nothing is known without its callee
        assert lesson is None
    elif answer.name == "job_looks_again_and_again":  # what blocks there is no letterbox any more
        assert lesson[1] == "01"
    else:
        assert int(lesson[1]) in hinted(endpoint), said
