"""The diagrams of the event loop, the pools, the GIL and processes."""

import html
from xml.etree import ElementTree

import pytest

from autograder.lab import diagrams

SVG = "{http://www.w3.org/2000/svg}"
ALL = {
    "loop": diagrams.loop("time.sleep(1)", ["menu()"] * 9, ["httpx.get"], blocked=True, note="Note."),
    "pools": diagrams.pools(40, 2, threads=6),
    "gil": diagrams.gil(),
    "processes": diagrams.processes(3),
}


def texts(diagram):
    return [element.text or "" for element in ElementTree.fromstring(diagram.svg).iter(SVG + "text")]


@pytest.mark.parametrize("name", ALL)
def test_diagram_is_svg_with_alternative(name):
    diagram = ALL[name]
    data = diagram._repr_mimebundle_()
    assert len(texts(diagram)) > 3
    assert data["text/plain"] == diagram.text
    assert f'alt="{html.escape(diagram.text)}"' in data["text/html"]


def test_long_queue_is_counted():
    shown = texts(ALL["loop"])
    assert shown.count("menu()") == diagrams.MAX_ROWS
    assert f"and {9 - diagrams.MAX_ROWS} more" in shown
    assert "(blocking)" in ALL["loop"].text


def test_code_is_escaped():
    diagram = diagrams.loop('a < b & "c"')
    assert 'a < b & "c"' in texts(diagram)
    assert "&quot;c&quot;" in diagram._repr_mimebundle_()["text/html"]


def test_full_pool_shows_no_space():
    """A pool that is full has no free cell; the larger one next to it has."""
    cells = [e for e in ElementTree.fromstring(ALL["pools"].svg).iter(SVG + "rect") if e.get("height") == "15"]
    free = [e for e in cells if e.get("fill") == "#ffffff"]
    assert (len(cells), len(free)) == (46, 4)


def test_excess_work_fills_the_pool():
    """With more work than threads, all threads of the pool are shown in use."""
    assert "(6 in use)" in diagrams.pools(in_threads=9, threads=6).text
