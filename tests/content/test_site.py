"""The static site: complete, without other hosts, accessible, and with an animated front page."""

import re
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import pytest
from helpers import notebook_of

from autograder import paths
from autograder.errors import SetupError
from autograder.site import build, execute

LESSON = "00_start_here/lesson_00_start_here.html"


@pytest.fixture(scope="module", autouse=True)  # before the browser: while that is open nothing here can await
def folder(tmp_path_factory):
    """The site, with the first lesson executed and the others as they are."""
    target = tmp_path_factory.mktemp("site") / "html"
    assert build.build(target, run=lambda name: name.startswith("00_")) == 0
    return target


@pytest.fixture(scope="module")
def address(folder):
    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def visit(browser, address):
    """Open a page with certain browser preferences. A request to another host fails the test."""
    contexts, strays = [], []

    def open_page(name, **wishes):
        context = browser.new_context(**wishes)
        contexts.append(context)
        context.set_default_timeout(120_000)

        def guard(route):
            if route.request.url.startswith(address):
                return route.continue_()
            strays.append(route.request.url)
            return route.abort()

        context.route("**/*", guard)
        page = context.new_page()
        page.goto(address + name, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not strays


class Links(HTMLParser):
    """What a page points at, and the anchors that it has."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.targets |= {attributes[name] for name in ("href", "src") if attributes.get(name)}
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}


def test_menu_has_every_page(folder):
    """The menu of the site lists every lesson and every page of the documentation."""
    menu = Links((folder / "index.html").read_text()).targets
    lessons = [file.relative_to(paths.NOTEBOOKS) for file in paths.NOTEBOOKS.glob("*/lesson_*.ipynb")]
    assert len(lessons) > 6
    assert {f"{file.with_suffix('.html')}" for file in lessons} <= menu
    docs = {f"{name}.html" for name in build.DOCS if (paths.ROOT / "docs" / f"{name}.md").is_file()}
    assert "verdicts.html" in docs and docs <= menu
    assert "95 % bound" in (folder / "verdicts.html").read_text()


def test_internal_links_lead_somewhere(folder):
    """Every link within the site leads to a file, and every fragment to an anchor."""
    known = {file: Links(file.read_text()) for file in folder.rglob("*.html") if "_static" not in file.parts}
    broken = []
    for file, links in known.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme:
                assert parts.scheme in ("http", "https", "data", "mailto"), target
                continue
            goal = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            goal = goal / "index.html" if goal.is_dir() else goal
            if not goal.is_file() or (parts.fragment and goal in known and parts.fragment not in known[goal].anchors):
                broken.append(f"{file.relative_to(folder)}: {target}")
    # an empty fragment is the theme's way to the top
    assert not [line for line in broken if not line.endswith("#")]


def test_external_content_is_only_linked(folder):
    """Pages load nothing from other hosts; other hosts are only linked to."""
    for file in folder.rglob("*.html"):
        text = re.sub(r"<a [^>]*>", "", file.read_text())
        outside = re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']+""", text)
        assert not [found for found in outside if "opensearch" not in found], file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", LESSON, "verdicts.html"])
def test_accessible_in_both_themes(visit, name, scheme):
    page = visit(name, color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert len(found["passes"]) > 10
    serious = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]
               if v["impact"] in ("serious", "critical")]  # fmt: skip
    assert not serious


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_pages_fit_the_viewport(visit, width):
    """No page or figure is wider than the viewport; a wide timeline scrolls."""
    for name in ("index.html", LESSON):
        page = visit(name, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for figure in page.locator("figure").all():
            box = figure.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width
    # where the timeline has no room for its words, it is scrolled
    picture = page.locator("figure.course-timeline img").first.bounding_box()
    assert picture["width"] >= 600


def test_front_page_respects_reduced_motion(visit):
    """The front page's race plays once and can be replayed; with reduced motion it stands still."""
    page = visit("index.html", reduced_motion="no-preference")
    moving = "document.querySelector('.races').getAnimations({subtree: true}).length"
    assert page.evaluate(moving) > 20
    widths = (
        "[...document.querySelectorAll('.races figure:first-child .request')].map(e => e.getBoundingClientRect().width)"
    )
    page.wait_for_function("document.querySelector('.races').getAnimations({subtree: true})"
                           ".every(move => move.playState === 'finished')")  # fmt: skip
    ended = page.evaluate(widths)
    page.get_by_role("button", name="Play it again").click()
    assert page.evaluate(widths) != ended
    still = visit("index.html", reduced_motion="reduce")
    assert still.evaluate(moving) == 0
    assert still.evaluate(widths) == ended
    assert not still.locator("button.again").is_visible()
    # ten that stand in a queue end one after the other; ten that wait together end together
    assert ended == sorted(ended) and ended[-1] > 5 * ended[0]


def test_front_race_has_alternative_text(folder):
    """The alternative text of the front page's races says which one is blocked, and by which call."""
    said = re.findall(r'role="img" aria-label="([^"]+)"', (folder / "index.html").read_text())
    assert len(said) == 2
    assert "blocked" in said[0] and "time.sleep(0.2)" in said[0]
    assert "time.sleep(0.2)" not in said[1]


def test_search_finds_a_lessons_word(visit):
    """The search finds a word in a lesson."""
    page = visit("search.html?q=canary")
    page.locator("#search-results li a").first.wait_for()
    assert any("lesson_" in (link.get_attribute("href") or "") for link in page.locator("#search-results li a").all())


def test_lesson_is_executed_only_once(tmp_path, monkeypatch):
    """A lesson is executed once until its source changes; one that fails stops the build."""
    monkeypatch.setattr(execute, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(execute, "RUNS_ON", ())
    notebook = tmp_path / "99_small" / "lesson_99_small.ipynb"
    notebook.parent.mkdir()
    said, node = [], notebook_of("")  # once: each new one has another id
    for source, printed, times in (
        ("print(6 * 7)", "42\n", 1),
        ("print(6 * 7)", "42\n", 1),
        ("print(6 * 8)", "48\n", 2),
    ):
        node.cells[0].source = source
        nbformat.write(node, notebook)
        (cell,) = execute.execute(notebook, said.append).cells
        assert cell.outputs[0].text == printed
        assert len(said) == 2 * times
    assert len(list(execute.CACHE.iterdir())) == 1
    nbformat.write(notebook_of("1 / 0"), notebook)
    with pytest.raises(SetupError, match="lesson_99_small.ipynb can't be executed"):
        execute.execute(notebook, said.append)


def test_only_own_site_is_replaced(tmp_path, folder, capsys):
    """Only a folder that is empty or holds a site built by us is replaced."""
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    assert build.main(tmp_path) == 2 and mine.read_text() == "mine"
    assert "new or empty" in capsys.readouterr().out
    assert build.main(mine) == 2 and mine.read_text() == "mine"
    assert build.may_be_replaced(folder) and build.may_be_replaced(tmp_path / "new")
    assert [item.name for item in folder.parent.iterdir()] == [folder.name], "nothing is left beside it"


def test_outside_links_become_plain_text():
    """Links from the docs to files outside of the site become plain text."""
    text = "[a](verdicts.md#x) [b](../README.md) [c](https://example.org) ![d](race.png)"
    assert build.unlink_missing(text) == "[a](verdicts.md#x) b [c](https://example.org) ![d](race.png)"


def test_page_links_are_relative(folder):
    """The site works below any address."""
    page = (folder / LESSON).read_text()
    assert urljoin("http://x/y/" + LESSON, "../index.html") == "http://x/y/index.html"
    assert not re.findall(r'(?:href|src)="/[^/"]', page)
