"""Feedback pages: long lines wrap, the line that a diagnosis names is marked, and every student gets a page."""

import html
import re
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from class_folder import BROKEN_ITEM, EXERCISE, LESSON, REFERENCE, STARTER, hand_in, verdict
from helpers import nbgrader
from nbconvert.exporters import HTMLExporter
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateFeedback
from nbgrader.utils import notebook_hash
from traitlets.config import Config

from autograder import paths
from autograder.benchmarks import class_grading
from autograder.classroom import class_feedback, grade, grade_class, race_picture, worker_pool
from autograder.classroom.nbgrader import config, feedback, safe_html

NAME = f"exercise_{LESSON}"
SAID = "open(path).read() in line 14 blocked the event loop for 0.31 s. " + "x" * 300


def test_numbered_code_marks_lines() -> None:
    """Each line has its number, those in a text of several lines too, and the marked one also an arrow."""
    page = feedback.numbered('a = """one\ntwo"""\nb = 1', [2])
    assert re.findall(r'class="line( marked)?" id="L(\d)"', page) == [("", "1"), (" marked", "2"), ("", "3")]
    assert page.count("&#9654;") == 1 and page.count("<span") == page.count("</span>")


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("time.sleep(1) in line 9 blocked", {9}),
        ("`time.sleep(1)` in line\n9 blocked", {9}),
        ("ended in KeyError (line 12: x[1])", {12}),
        ("report.py:7 and other.py:8 block", {7}),
        ("it took 14 s", set()),
    ],
)
def test_named_lines_are_found(said: str, lines: set[int]) -> None:
    """As the judge's diagnoses name them."""
    assert feedback.named_lines(said, "report.py") == lines


def test_announced_pictures_are_left_out() -> None:
    """A page has no cells that draw, and no sentence that announces what they would draw."""
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    answer = code("%%app x.py", metadata={"nbgrader": {"grade_id": "x", "solution": True}})
    cells = [
        markdown("# Exercise"), code("setup()"), markdown("## One\n\nDo it.\n\nThis is the picture to aim for."),
        code('exercise.target("x")'), markdown("This is the file:"), answer, markdown("## Two"), code("measure()"),
    ]  # fmt: skip
    assert [cell.source for cell in feedback.only_results(cells)] == ["# Exercise", "## One\n\nDo it.", "%%app x.py"]


@pytest.mark.heavy
def test_pages_for_everybody(course, canned) -> None:
    """A page with the diagnosis and the marked line; for a broken file one that says why, until it's handed in again."""
    hand_in(course, "ada", STARTER)
    hand_in(course, "bob", REFERENCE).write_text("{")
    failed = verdict(0)
    for item in failed["items"]:
        item["diagnosis"] = SAID
    broken = {**BROKEN_ITEM, "diagnosis": "Not graded: <not> JSON."}
    results = {"ada": failed, "bob": {"items": [broken]}}
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **results[job.id.split("/")[0]]}
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    nbgrader(course, "generate_feedback", LESSON)
    page = (course / "feedback" / "ada" / LESSON / f"{NAME}.html").read_text()
    assert 'class="line marked" id="L14"' in page and "pre-wrap" in page and "x" * 300 in page
    assert "HIDDEN TESTS" not in page and "picture to aim for" not in page and "Score: 0.0 / 6.0" in page
    sorry = course / "feedback" / "bob" / LESSON / f"{NAME}.html"
    assert "&lt;not&gt; JSON" in sorry.read_text() and "isn't graded yet" in sorry.read_text()
    hand_in(course, "bob", REFERENCE)
    results["bob"] = verdict(1)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert not sorry.exists()
    nbgrader(course, "generate_feedback", LESSON)
    assert "Score: 6.0 / 6.0" in sorry.read_text()


RACE = {
    "title": "</title><script>",
    "said": "x.py, /a: <script>alert(1)</script> in line 3.",
    "span": 1.0,
    "requests": [[0.0, 0.5, True], [0.0, None, False]],
    "blocked": [[0.1, 0.4]],
}


def test_race_picture_escapes_text() -> None:
    """Student code in a race's sentence or title is escaped, in the picture and in its alternative text."""
    for page in (race_picture.figure(RACE), race_picture.svg(RACE)):
        assert "<script" not in page
    assert html.escape(RACE["said"]) in race_picture.figure(RACE)
    assert race_picture.svg(RACE).count("#hatch") == 1 and "blocked</text>" in race_picture.svg(RACE)


@pytest.mark.heavy
async def test_graded_race_becomes_a_picture(course) -> None:
    """Real verdicts: the starter's race is blocked, and the reference's has all requests next to each other."""
    races = {}
    for student, text in (("ada", STARTER), ("bob", REFERENCE)):
        result = await grade.grade(hand_in(course, student, text), None, LESSON)
        (races[student],) = (item.race for item in result.items if item.race is not None)
    assert len(races["bob"]["requests"]) > 3
    assert races["ada"]["blocked"] and "blocked" in races["ada"]["said"]


def test_only_changed_pages_are_written(course, canned, capsys) -> None:
    """A page has the race; a second run writes nothing, a comment one page, and a lost page is written again."""
    hand_in(course, "ada", STARTER)
    hand_in(course, "bob", REFERENCE)
    result = verdict(0)
    result["items"][0]["race"] = RACE
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **result}
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED

    def written() -> int:
        capsys.readouterr()
        assert class_feedback.main(str(course)) == class_feedback.DONE
        return int(capsys.readouterr().out.split()[0])

    assert (written(), written()) == (2, 0)
    page = course / "feedback" / "ada" / LESSON / f"{NAME}.html"
    text = page.read_text()
    assert "data:image/svg+xml" in text and "Your race." in text and "<script>alert" not in text
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        book.find_comment(EXERCISE.tasks[0].cell, NAME, LESSON, "ada").manual_comment = "look at line 3"
        book.db.commit()
    assert written() == 1 and "look at line 3" in page.read_text()
    page.unlink()
    assert written() == 1 and page.is_file()


def test_pages_are_nbgraders(course, canned) -> None:
    """What's made once for all pages changes none of them: each is the same as nbgrader's, which makes it anew."""
    result = verdict(0)
    result["items"][1] |= {"diagnosis": SAID, "race": RACE}
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **(result if "bob" in job.id else verdict(1))}
    for student in ("ada", "bob", "cid"):
        file = hand_in(course, student, STARTER if student == "bob" else REFERENCE)
        notebook = nbformat.read(file, 4)
        titles = [cell for cell in notebook.cells if cell.source.startswith("#")]
        titles[0].source += f"\n\n**{student}** <b>was</b> <script>here</script>"
        if student == "cid":
            titles[0].source += " ![it](attachment:x.png)"
            titles[0]["attachments"] = {"x.png": {"image/png": "aaaa"}}
        nbformat.write(notebook, file)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert class_feedback.main(str(course)) == class_feedback.DONE
    pages = {page: page.read_text() for page in (course / "feedback").rglob("*.html")}
    assert len(pages) == 3 and "data:image/png;base64,aaaa" in next(t for p, t in pages.items() if "cid" in p.parts)
    nbgrader(course, "generate_feedback", LESSON, "--force")
    for page, text in pages.items():
        assert page.read_text() == text


def test_missing_attachment_costs_no_page() -> None:
    """A picture that isn't in the notebook is shown as its text: nbconvert would make no page at all."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("Look: ![it](attachment:x.png) <b>so</b>")]
    )
    settings = Config()
    safe_html.set_on(settings)
    page, _ = HTMLExporter(config=settings).from_notebook_node(notebook)
    assert "![it](attachment:x.png) &lt;b&gt;so" in page


@pytest.mark.heavy
def test_same_grade_keeps_the_page(course, canned, monkeypatch) -> None:
    """A page's key is what it's made of: the same verdict written again isn't a change, other code of ours is one."""
    hand_in(course, "ada", STARTER)
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(0)}
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    keys = class_feedback.fingerprints(class_feedback.Course(course), LESSON)
    assert grade_class.main(str(course), force=True) == grade_class.ALL_GRADED
    assert class_feedback.fingerprints(class_feedback.Course(course), LESSON) == keys
    for name in ("of_code", "of_environment", "of_exercise"):
        with monkeypatch.context() as patch:
            patch.setattr(class_feedback.cache_keys, name, lambda *_: "other")
            assert class_feedback.fingerprints(class_feedback.Course(course), LESSON) != keys


@pytest.mark.heavy
def test_feedback_command_uses_processes(course, canned) -> None:
    """The command itself, with so many pages that several processes write them."""
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    names = [f"s{number}" for number in range(class_feedback.PAGES_PER_WORKER + 1)]
    for name in names:
        hand_in(course, name, f"{REFERENCE}\n# {name}\n")
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    command = [sys.executable, str(paths.ROOT / "course"), "class", "feedback", str(course), LESSON, "--workers", "2"]
    done = subprocess.run(command, env=class_grading.environment(), capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"{len(names)} pages"), done.stdout + done.stderr
    for name in names:
        text = (course / "feedback" / name / LESSON / f"{NAME}.html").read_text()
        assert "Score: 6.0 / 6.0" in text and f"# {name}<" in text


@pytest.mark.heavy
def test_not_graded_pages_are_released(course, canned, tmp_path) -> None:
    """Through nbgrader's exchange: a broken file's page too, and a link never makes it another student's page."""
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.Exchange.root = {str(exchange)!r}\n")
    for student, text in (("ada", REFERENCE), ("bob", "{")):
        file = hand_in(course, student, text, "2026-11-20 10:00:00 UTC")
        file.with_name("submission_secret.txt").write_text(f"secret of {student}")
        if text == "{":
            file.write_text(text)
    (course / "submitted" / "eve").symlink_to(course / "submitted" / "ada")
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    good = canned.say
    canned.say = lambda job: {**good(job), "items": [BROKEN_ITEM]} if job.id.startswith("bob") else good(job)
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    assert class_feedback.main(str(course)) == class_feedback.DONE
    assert "symbolic link" in (course / "feedback" / "eve" / LESSON / f"{NAME}.html").read_text()
    nbgrader(course, "release_feedback", LESSON)
    released = exchange / "tea101" / "feedback"
    pages = {
        student: (released / f"{notebook_hash(secret=f'secret of {student}', notebook_id=NAME)}.html").read_text()
        for student in ("ada", "bob")
    }
    assert "Score: 6.0 / 6.0" in pages["ada"] and "Not JSON" in pages["bob"]
    assert len(list(released.glob("*.html"))) == 3


HOSTILE = (
    "# T <script>alert(1)</script> <img src=x onerror=alert(2)> [a](javascript:alert(3)) <svg onload=alert(4)>"
    "<a href='/files/javascript:alert(5)'>b</a> ![c](attachment:c.png) <iframe src=x></iframe> <style>*{}</style>"
    "<div class=nbgrader_cell id=save><input><form action=x></div> <meta http-equiv=refresh content=0>"
)
ATTACHMENTS = {"c.png": {'image/png" onload="alert(6)': 'A" onerror="alert(7)'}}
OUTPUTS = {
    "application/javascript": "alert(8)",
    "text/html": "<script>alert(9)</script>",
    "text/markdown": "<script>alert(10)</script>",
    "text/vnd.mermaid": "<script>alert(11)</script>",
    "text/latex": "<script>alert(12)</script>",
    "image/svg+xml": "<svg onload=alert(13)>",
    "image/png": 'x" onerror="alert(14)',
}
DANGEROUS = ["script", "iframe", "svg", "form", "input", "meta", "style", "object", "embed"]


def dangers(page: str) -> list[str]:
    """Return the tags of a page that a student's text must not make, and all handlers, ids, classes and addresses of scripts."""
    soup = BeautifulSoup(page, "html.parser")
    found = [tag.name for tag in soup.find_all(DANGEROUS)]
    for tag in soup.find_all(True):
        for name, value in tag.attrs.items():
            if name.startswith("on") or "script:" in str(value) or "save" in value or "nbgrader_cell" in value:
                found.append(f"{tag.name} {name}")
    return found


@pytest.mark.parametrize("template", ["feedback", "formgrade"])
def test_students_html_runs_nowhere(template: str) -> None:
    """Neither a feedback page nor what formgrader shows has a script, a handler or a form that a student wrote."""
    v4 = nbformat.v4
    settings = Config()
    config.apply(settings)
    generate = GenerateFeedback(config=settings)  # it knows where nbgrader's templates are
    settings.HTMLExporter.merge(generate.config.HTMLExporter)
    settings.HTMLExporter.template_name = template
    exporter = (feedback.FeedbackExporter if template == "feedback" else HTMLExporter)(config=settings)
    outputs = [
        v4.new_output("display_data", {kind: data}, metadata={kind: {"isolated": True}})
        for kind, data in OUTPUTS.items()
    ]
    kinds = {"tags": ['"><script>'], "magics_language": "html", "raw_mimetype": "text/html"}
    cells = [
        v4.new_markdown_cell(HOSTILE, attachments=ATTACHMENTS, metadata=kinds),
        v4.new_code_cell("</pre><script>alert(15)</script>", outputs=outputs, metadata=kinds),
        v4.new_raw_cell("<script>alert(16)</script>", metadata=kinds),
    ]
    lexer = {"name": '"><script>', "pygments_lexer": '"><script>'}
    state = {"application/vnd.jupyter.widget-state+json": {"state": {}, "x": "</script><script>alert(17)"}}
    about = {"notebook": "n", "score": 0, "max_score": 0, "late_penalty": 0}
    shown = {"index": 0, "total": 1}

    def page(written: list[nbformat.NotebookNode], **metadata: object) -> str:
        book = v4.new_notebook(cells=written, metadata=metadata)
        return exporter.from_notebook_node(book, {"nbgrader": about, **shown})[0].partition('id="notebook-container"')[
            2
        ]

    assert dangers(page(cells, language_info=lexer, widgets=state)) == dangers(page([]))


def test_harmless_html_is_kept() -> None:
    """Tables, code in its colours, links, and the picture of a race."""
    race = {"title": "t", "said": "Blocked.", "span": 1.0, "requests": [[0, 0.5, True]] * 40, "blocked": []}
    figure = race_picture.figure(race)
    assert len(figure) > safe_html.TEXT_MAX // 4 and safe_html.clean(figure).count("data:image/svg+xml;base64,") == 1
    table = safe_html.markdown({}, "| a |\n|---|\n| [b](https://c.org) |\n\n```python\nimport d\n```\n")
    assert '<a href="https://c.org">b</a></td>' in table and '<span class="kn">import</span>' in table


def test_hostile_markdown_costs_little() -> None:
    """Long or deep Markdown is shown as it is: parsing it would take hours."""
    for text in ("<b>" * 100_000, "[" * 10_000_000, "> " * 1_000_000):
        assert safe_html.markdown({}, text).startswith("<pre>")
    for code in (" \n" * 20_000, " \n" * 4_000, "x = 1\n" * 10_000_000):  # half an hour, 20 s, many minutes
        assert len(safe_html.highlighted(code)) < 1_000_000 and len(feedback.numbered(code, [1])) < 10_000_000
    cells = [nbformat.v4.new_markdown_cell("[" * 19_000) for _ in range(12)]
    safe_html.NeededMetadata().preprocess(nbformat.v4.new_notebook(cells=cells), {})
    assert [cell.metadata[safe_html.PLAIN] for cell in cells] == [False] * 10 + [True] * 2
