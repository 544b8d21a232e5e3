"""JupyterLab in a real browser: a lesson and an exercise, the way that a learner goes."""

import re

import pytest
from jupyterlab_page import cells, expect, index_of, output, replace, run_from, wait_for_kernel

from autograder import paths
from autograder.judge.spec.exercise import load


def in_file_browser(page, name):
    return page.locator(".jp-DirListing-item").filter(has_text=re.compile(f"^{re.escape(name)}"))


def test_lesson_opens_and_plots(page, lab, tmp_path):
    """From the launcher, a learner opens lesson 01, runs it and sees the plot of a race."""
    page.goto(lab.url("lab"))
    page.locator(".jp-Launcher").wait_for()
    in_file_browser(page, "01_sleeping").dblclick()
    in_file_browser(page, "lesson_01_sleeping.ipynb").dblclick()
    wait_for_kernel(page)
    race = index_of("01_sleeping/lesson_01_sleeping.ipynb", "await lab.race(")
    run_from(page, 0, race + 1)

    # While it moves, each frame takes the place of the one before, and none can be scrolled to.  That it moves is looked
    # at in test_browser_kernel.py, by a race that lasts until it was seen to move.
    figure = output(page, race).locator("figure")
    figure.get_by_text("requests took").wait_for()
    figure.scroll_into_view_if_needed()
    assert "blocked" in figure.locator("img").get_attribute("alt")
    assert figure.locator("img").evaluate("image => image.naturalWidth") > 600
    assert figure.bounding_box()["width"] > 500
    page.screenshot(path=tmp_path / "lesson_01.png")


@pytest.mark.heavy
def test_exercise_fails_then_passes(page, lab, tmp_path):
    """The starter is reported as blocking, with its line; the reference passes in the same notebook."""
    name = "01_sleeping/exercise_01_sleeping.ipynb"
    lab.open(page, name)
    app, check = index_of(name, "%%app report.py"), index_of(name, 'await exercise.race("report")')
    run_from(page, 0, check + 1)
    said = output(page, check)
    said.get_by_text("Not yet: The event loop was blocked").wait_for()
    assert "`time.sleep(wait)` in line 11" in " ".join(said.inner_text().split())
    assert "Traceback" not in said.inner_text()
    said.locator("figure").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "exercise_bad.png")

    exercise = load(paths.SOLUTIONS / "01_sleeping")
    good = exercise.answer_file(exercise.endpoint("report"), "reference").read_text()
    replace(page, app, "%%app report.py\n" + good)
    run_from(page, app, check - app + 1)
    said.get_by_text("the requests ran side by side").wait_for()
    assert "Not yet" not in said.inner_text()
    said.locator("figure").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "exercise_good.png")
    expect(cells(page).nth(app)).to_contain_text("await")
