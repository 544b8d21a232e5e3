"""JupyterLab in a real browser: the plot changes while requests are under way, and a repair is seen."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from helpers import until
from playwright.sync_api import expect, sync_playwright

from autograder import paths
from autograder.judge.exercise import load

SERVE = """
import sys
from pathlib import Path
from autograder import launch
launch.serve(Path(sys.argv[1]), "/lab", False, None)
"""
QUIET = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-sandbox"]  # fmt: skip

expect.set_options(timeout=120_000)

# every timeline that is shown, each time that it changes: [caption, picture]
WATCH = """
window.frames_seen = [];
let last = "";
new MutationObserver(() => {
  for (const figure of document.querySelectorAll("figure.course-timeline")) {
    const now = figure.querySelector("img").src + figure.innerText;
    if (now !== last) { last = now; window.frames_seen.push([figure.innerText, figure.querySelector("img").src]); }
  }
}).observe(document.body, {subtree: true, childList: true, attributes: true});
"""


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    """The address of a JupyterLab on a copy of the notebooks, and that copy's folder."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(paths.NOTEBOOKS, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "*.py"))
    server = subprocess.Popen([sys.executable, "-c", SERVE, folder], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address
        yield address, folder
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, tmp_path, request):
    """A new tab; when its test fails, what it showed is kept as a picture and said in words."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    console = []
    page.on("console", lambda message: console.append(f"{message.type}: {message.text[:300]}"))
    before = request.session.testsfailed
    yield page
    if request.session.testsfailed > before:
        page.screenshot(path=tmp_path / "failed.png")
        print("Screenshot:", tmp_path / "failed.png")
        print("Dialogs:", page.locator(".jp-Dialog").all_inner_texts())
        print("Focus:", page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))
        print("Status:", page.locator("#jp-main-statusbar").all_inner_texts())
        print("Prompts:", cells(page).locator(".jp-InputPrompt").all_inner_texts())
        print("Console:", *console[-20:], sep="\n  ")
    page.close()


def open_notebook(page, jupyterlab, name):
    address, _ = jupyterlab
    base, token = address.split("/lab?token=")
    page.goto(f"{base}/lab/tree/{name}?token={token}&reset")
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
    # Only the status bar tells a kernel that is there from one that is to come (the toolbar's circle is idle before
    # there is any). A cell that is run earlier makes JupyterLab ask which kernel to use, or start a second one.
    page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle", exact=True).wait_for()
    page.evaluate(WATCH)


def cells(page):
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell")


def run_from(page, first, count):
    """Shift-Enter through ``count`` cells, as a learner does: each is selected, run, and seen to have taken it."""
    for number in range(first, first + count):
        cell = cells(page).nth(number)
        if "jp-CodeCell" not in (cell.get_attribute("class") or ""):
            continue
        prompt = cell.locator(".jp-InputPrompt").first
        prompt.click()
        expect(cell).to_have_class(re.compile(r"\bjp-mod-active\b"))
        before = prompt.inner_text()
        page.keyboard.press("Shift+Enter")
        until(lambda prompt=prompt, before=before: prompt.inner_text() != before, 120)


def index_of(name, text):
    """The number of the first cell of a notebook that contains the text."""
    notebook = nbformat.read(paths.NOTEBOOKS / name, 4)
    return next(number for number, cell in enumerate(notebook.cells) if text in cell.source)


def test_lesson_01_draws_while_the_requests_are_under_way(page, jupyterlab, tmp_path):
    name = "01_sleeping/lesson_01_sleeping.ipynb"
    open_notebook(page, jupyterlab, name)
    race = index_of(name, "await lab.race(")
    run_from(page, 0, race + 1)

    def finished():
        seen = page.evaluate("window.frames_seen")
        return seen if seen and "requests took" in seen[-1][0] else None

    frames = until(finished, 300)
    under_way = [picture for caption, picture in frames if "so far" in caption]
    assert len(set(under_way)) >= 3, "the plot must change while it is drawn"
    figure = page.locator("figure.course-timeline").first
    figure.scroll_into_view_if_needed()
    assert "blocked" in figure.locator("img").get_attribute("alt")
    assert page.evaluate("document.querySelector('figure.course-timeline img').naturalWidth") > 600
    assert figure.bounding_box()["width"] > 500
    page.screenshot(path=tmp_path / "lesson_01.png")


def test_exercise_01_from_bad_to_good(page, jupyterlab, tmp_path):
    name = "01_sleeping/exercise_01_sleeping.ipynb"
    open_notebook(page, jupyterlab, name)
    app, check = index_of(name, "%%app report.py"), index_of(name, 'await exercise.race("report")')
    run_from(page, 0, check + 1)
    output = cells(page).nth(check).locator(".jp-OutputArea")
    output.locator("text=Not yet: The event loop was blocked").wait_for()
    assert "time.sleep(wait) in line 11" in output.inner_text()
    assert "Traceback" not in output.inner_text()
    output.locator("figure").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "exercise_bad.png")

    exercise = load(paths.SOLUTIONS / "01_sleeping")
    good = exercise.answer_file(exercise.endpoint("report"), "reference").read_text()
    cells(page).nth(app).scroll_into_view_if_needed()
    cells(page).nth(app).locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text("%%app report.py\n" + good)
    run_from(page, app, check - app + 1)
    output.locator("text=the requests ran side by side").wait_for()
    assert "Not yet" not in output.inner_text()
    output.locator("figure").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "exercise_good.png")
