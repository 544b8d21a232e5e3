"""Fixtures of all tests, and skips of tests whose requirements a machine lacks.

A marker says what a test needs (``browser``, ``sandbox``, ``mysql``, ``hub``, ``cluster``, ``linux``, ``posix``, ``root``). If
that's missing, the test is skipped with the reason, and the summary counts the skips. With CI=true in the environment, or
``--require-all``, a skip is a failure. A test that can never run on a system isn't collected there, so it isn't skipped.
"""

from __future__ import annotations

import collections
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import capabilities
import pytest
from selection import heavy_left_out

ROOT = Path(__file__).resolve().parent.parent


# --- what a machine lacks ---

FIXTURES = {"chromium": "browser", "walls": "sandbox"}  # fixtures that need a capability
NEEDS = "needs "  # the beginning of such a skip's reason


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the course's options, and those options of missing plugins that pyproject.toml sets."""
    parser.addoption("--require-all", action="store_true", help="a skipped test is a failure (as with CI=true)")
    parser.addini("workers", "how many tests run at the same time, if no file is named")
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", "of pytest-timeout, which isn't there")
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption("--numprocesses", help="of pytest-xdist, which isn't there")


def pytest_configure(config: pytest.Config) -> None:
    """Register the ``timeout`` marker if pytest-timeout isn't installed."""
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): of pytest-timeout, which isn't there")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers in pyproject.toml, or 0 for a single file, because a worker takes seconds to start."""
    named = [str(word) for word in config.invocation_params.args if Path(str(word).split("::")[0]).exists()]
    one_file = len(named) == 1 and ".py" in named[0]
    return 0 if one_file or config.option.collectonly else int(config.getini("workers"))


def require_all(config: pytest.Config) -> bool:
    """Return True if a skip is a failure in this run."""
    return config.option.require_all or os.environ.get("CI", "").lower() in ("true", "1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by the capabilities that their fixtures and parameters name, and deselect `heavy` tests (see `selection`)."""
    for item in items:
        for fixture, name in FIXTURES.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(name)
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        for name in capabilities.ALL:
            if any(value == name for value in values if isinstance(value, str)):
                item.add_marker(name)
    if left_out := heavy_left_out(items):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not any(item is other for other in left_out)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test if the machine lacks what it needs."""
    for marker in item.iter_markers():
        reason = capabilities.missing(marker.name) if marker.name in capabilities.ALL else None
        if reason:
            pytest.skip(f"{NEEDS}{marker.name}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn a skip into a failure if everything is required."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and require_all(item.config):
        report.outcome = "failed"
        report.longrepr = f"skipped, and everything is required here: {report.longrepr[2]}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which tests failed before they passed, how many were skipped, and what those would need."""
    failed = {report.nodeid for report in terminalreporter.stats.get("failed", ())}
    if unsteady := [report for report in terminalreporter.stats.get("rerun", ()) if report.nodeid not in failed]:
        terminalreporter.section("Failed, and was run again")
        for report in unsteady:
            terminalreporter.write_line(f"{report.nodeid} ({report.when}):", bold=True)
            terminalreporter.write_line(report.longreprtext)
        terminalreporter.write_line("A test that fails only sometimes is a bug, in the test or in the code.")
    reasons = collections.Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    if not reasons:
        return
    terminalreporter.section("Not tested on this machine")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"{number} skipped: {reason.removeprefix('Skipped: ')}")
    terminalreporter.write_line("With CI=true or --require-all, these are failures.")


# --- fixtures ---


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone under test."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Tests that use it are marked ``browser``, so they're skipped without one."""
    from autograder.dev import test_command

    path = test_command.any_chromium()
    assert path
    return path


@pytest.fixture(scope="module")
def grading_sandbox():
    """The sandbox that grading uses on this machine, or None. Processes start faster in it than without one."""
    from autograder.sandbox import levels

    sandbox = levels.at_least().sandbox
    yield sandbox
    if sandbox:
        sandbox.close()


QUIET = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-sandbox"]  # fmt: skip


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks, as `./course lab` starts it."""
    from jupyterlab_page import serving

    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "*.py"))
    with serving(home, home / "notebooks") as lab:
        yield lab


@pytest.fixture(scope="module")
def browser(chromium):
    """A headless browser, for one module only: while it's open, Playwright's event loop runs in this thread, so async
    tests couldn't run.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, tmp_path, request):
    """A new browser tab. If the test fails, its content is saved as a screenshot and printed as text."""
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Run all tests of a module on the same worker, except the long lists of independent tests.

    (`--dist loadgroup` would do the same, but finds no groups since pytest 9.2: pytest-xdist #1386.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Modules(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith(("test_catalogue.py", "test_lessons.py")) else file

    return Modules(config, log)
