"""What all the tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone under test."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser that `./course test` found or installed."""
    path = os.environ.get("COURSE_CHROMIUM")
    assert path, "run the tests with ./course test: it sees to the browser"
    return path


SERVE = """
import sys
from pathlib import Path
from autograder.dev import jupyterlab
jupyterlab.serve(Path(sys.argv[1]), "/lab", False, None)
"""
QUIET = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-sandbox"]  # fmt: skip


@contextmanager
def serving(home, notebooks, **environment):
    """A `Lab` on a folder of notebooks, with settings and data of its own below ``home``."""
    from jupyterlab_page import Lab

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


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks, as `./course lab` starts it."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "*.py"))
    with serving(home, home / "notebooks") as lab:
        yield lab


@pytest.fixture(scope="module")
def browser(chromium):
    """A browser without a screen.  Not for longer than a module: while it is open, Playwright's loop runs in this thread,
    and no other test that awaits could.
    """
    from playwright.sync_api import sync_playwright

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
        print("Prompts:", page.locator(".jp-InputPrompt").all_inner_texts())
        print("Console:", *console[-20:], sep="\n  ")
    page.close()


def pytest_xdist_make_scheduler(config, log):
    """Where tests run on several workers, a module stays on one; only the long lists of independent ones are spread.

    (`--dist loadgroup` would do it, but finds no group since pytest 9.2: pytest-xdist #1386.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Modules(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith(("test_catalogue.py", "test_lessons.py")) else file

    return Modules(config, log)
