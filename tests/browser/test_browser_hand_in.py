"""JupyterLab in a real browser, in a class: fetch an assignment, repair an endpoint, validate, submit."""

import os

import nbformat
import pytest
from helpers import nbgrader
from jupyterlab_page import index_of, output, replace, run_from, serving, wait_for_end

from autograder import paths
from autograder.classroom import new_course
from autograder.judge.spec.exercise import load

LESSON = "02_calling_http"
NOTEBOOK = f"{LESSON}/exercise_{LESSON}.ipynb"


@pytest.fixture
def exchange(tmp_path):
    """An exchange with one lesson released, by the commands of a teacher; returns its folder and nbgrader's settings."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    folder.chmod(0o777)
    course = tmp_path / "tea101"
    assert new_course.main(str(course)) == 0
    root = f"c.Exchange.root = {str(folder)!r}\n"
    with open(course / "nbgrader_config.py", "a") as config:
        config.write(root)
    nbgrader(course, "generate_assignment", LESSON)
    nbgrader(course, "release_assignment", LESSON)
    return folder, f'c = get_config()\nc.CourseDirectory.course_id = "tea101"\n{root}'


@pytest.mark.slow
@pytest.mark.timeout(1800)  # validating runs every cell of the notebook: minutes where many want the CPU
def test_assignment_is_fetched_and_submitted(exchange, page, tmp_path):
    """A student fetches an assignment, fixes one app, validates the notebook and submits it, all in the browser."""
    folder, settings = exchange
    home = tmp_path / "home"
    work = home / "work"
    work.mkdir(parents=True)
    (home / "config").mkdir()
    (home / "config" / "nbgrader_config.py").write_text(settings)
    ours = paths.ROOT / "autograder" / "jupyter"
    # as binder/start has it in a class
    with serving(home, work, JUPYTER_CONFIG_PATH=f"{ours / 'class'}{os.pathsep}{ours}") as lab:
        page.goto(lab.url("lab"))
        page.locator(".jp-Launcher").wait_for()
        page.locator(".lm-MenuBar-item").filter(has_text="Nbgrader").click()
        page.locator(".lm-Menu-item").filter(has_text="Assignment List").click()
        page.locator("#released_assignments_list").get_by_role("button", name="Fetch").click()
        page.locator("#fetched_assignments_list").get_by_role("button", name="Submit").wait_for()

        lab.open(page, NOTEBOOK)
        exercise = load(paths.SOLUTIONS / LESSON)
        task = exercise.endpoints[0]
        app = index_of(NOTEBOOK, f"%%app {task.file}")
        replace(page, app, f"{task.magic} {task.file}\n" + exercise.answer_file(task, "reference").read_text())
        check = index_of(NOTEBOOK, f'await exercise.race("{task.id}")')
        run_from(page, 0, check + 1)
        output(page, check).get_by_text("the requests ran side by side").wait_for()
        wait_for_end(page, check)
        # it saves the notebook first; another save at the same moment would be asked about
        page.get_by_role("button", name="Validate").click()
        result = page.locator(".jp-Dialog")
        result.get_by_text("following cell failed").first.wait_for()
        said = result.inner_text()
        assert f'exercise.race("{exercise.endpoints[1].id}")' in said, "what is not repaired yet is named"
        assert f'exercise.race("{task.id}")' not in said
        result.locator(".jp-mod-accept").click()

        page.goto(lab.url("lab"))
        page.locator(".lm-MenuBar-item").filter(has_text="Nbgrader").click()
        page.locator(".lm-Menu-item").filter(has_text="Assignment List").click()
        page.locator("#fetched_assignments_list").get_by_role("button", name="Submit").click()
        page.locator("#submitted_assignments_list").get_by_text(LESSON).first.wait_for()
    (handed_in,) = (folder / "tea101" / "inbound").glob(f"*/{NOTEBOOK.split('/')[1]}")
    cells = nbformat.read(handed_in, 4).cells
    assert exercise.answer_file(task, "reference").read_text().strip() in cells[app].source
