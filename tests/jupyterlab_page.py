"""JupyterLab as a learner has it: opening notebooks, pressing keys, looking at outputs."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from urllib.request import Request, urlopen

import nbformat
from helpers import until

from autograder import paths

# Far above what any step needs: it ends what hangs, and judges nobody's speed.
LIMIT = 120  # s

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

CURRENT = ".jp-NotebookPanel:not(.lm-mod-hidden)"


def expect(locator):
    """Playwright's ``expect``, imported when a browser is there: where it isn't, this module must still import."""
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * LIMIT)
    return expect(locator)


class Lab:
    """A JupyterLab that runs: its address, its token, and the folder that it shows."""

    def __init__(self, address, folder):
        self.base, self.token = address.split("/lab")[0], address.split("token=")[1]
        self.folder = folder

    def url(self, page):
        return f"{self.base}/{page}?token={self.token}&reset"

    def open(self, page, name):
        """Open a notebook by its address, as Binder's link does."""
        page.goto(self.url(f"lab/tree/{name}"))
        wait_for_kernel(page)

    def write(self, name, *sources):
        """Write a notebook for the test into the folder of notebooks."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.cells = [nbformat.v4.new_code_cell(source.strip("\n")) for source in sources]
        (self.folder / name).parent.mkdir(exist_ok=True)
        nbformat.write(notebook, self.folder / name)

    def set(self, plugin, **settings):
        """Change a setting as the settings editor does."""
        request = Request(
            f"{self.base}/lab/api/settings/{plugin}?token={self.token}",
            json.dumps({"raw": json.dumps(settings)}).encode(),
            method="PUT",
        )
        with urlopen(request) as answer:
            assert answer.status == 204


def wait_for_kernel(page):
    """Return when the notebook in front has a kernel that waits for cells."""
    page.wait_for_selector(f"{CURRENT} .jp-Cell")
    # Only the status bar tells a kernel that is there from one that is to come (the toolbar's circle is idle before
    # there is any). A cell that is run earlier makes JupyterLab ask which kernel to use, or start a second one.
    page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle", exact=True).wait_for()
    page.evaluate(WATCH)


def cells(page):
    return page.locator(f"{CURRENT} .jp-Notebook .jp-Cell")


def output(page, number):
    return cells(page).nth(number).locator(".jp-OutputArea")


def prompt(page, number):
    return cells(page).nth(number).locator(".jp-InputPrompt").first


def run(page, number):
    """Select a cell, press Shift-Enter, and see that the cell has taken it."""
    cell = cells(page).nth(number)
    prompt(page, number).click()
    expect(cell).to_have_class(re.compile(r"\bjp-mod-active\b"))
    before = prompt(page, number).inner_text()
    page.keyboard.press("Shift+Enter")
    until(lambda: prompt(page, number).inner_text() != before, LIMIT)


def run_from(page, first, count):
    """Shift-Enter through the code among ``count`` cells, as a learner does."""
    for number in range(first, first + count):
        if "jp-CodeCell" in (cells(page).nth(number).get_attribute("class") or ""):
            run(page, number)


def wait_for_end(page, number):
    """Return when a cell has run to its end."""
    until(lambda: re.fullmatch(r"\[\d+\]:", prompt(page, number).inner_text().strip()), LIMIT)


def replace(page, number, text):
    """Replace a cell's source, as by pasting."""
    cells(page).nth(number).scroll_into_view_if_needed()
    cells(page).nth(number).locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def index_of(name, text):
    """The number of the first cell of one of our notebooks that contains the text."""
    notebook = nbformat.read(paths.NOTEBOOKS / name, 4)
    return next(number for number, cell in enumerate(notebook.cells) if text in cell.source)


def frames(page):
    """The timelines that were seen since the notebook was opened: [caption, picture]."""
    return page.evaluate("window.frames_seen")


SERVE = """
import sys
from pathlib import Path
from autograder.dev import jupyterlab
jupyterlab.serve(Path(sys.argv[1]), "/lab", False, None)
"""


@contextmanager
def serving(home, notebooks, **environment):
    """Run JupyterLab on a folder of notebooks, with its settings and data in ``home``. Yield the `Lab`."""
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        **environment,
    }
    command = [sys.executable, "-c", SERVE, str(notebooks)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=notebooks)
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address
        yield Lab(address, notebooks)
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
