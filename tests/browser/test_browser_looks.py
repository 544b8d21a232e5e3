"""JupyterLab in a real browser: timelines are legible in both themes, at every width, and zoomed."""

import pytest
from jupyterlab_page import CURRENT, output, run_from, wait_for_end

THEMES = "@jupyterlab/apputils-extension:themes"
WIDTHS = {"wide": (1280, 900), "narrow": (820, 900), "zoomed to 200 %": (640, 450)}  # zooming halves a page's pixels

CELLS = [
    """
from autograder import lab
%load_ext autograder.lab
""",
    """
%%app cafe.py
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee():
    time.sleep(0.1)
""",
    'race = await lab.race("/coffee", n=10)',
    "lab.side_by_side(race, race)",
    'await lab.race("coffee")',
]

# what of an element cannot be seen and cannot be scrolled to: [what, its edges, the room that it has]
CUT = """
(area) => {
  const found = [];
  const room = area.getBoundingClientRect();
  for (const part of area.querySelectorAll("figure, figcaption, pre")) {
    const box = part.getBoundingClientRect();
    const scrolls = getComputedStyle(area).overflowX !== "hidden" && getComputedStyle(area).overflowX !== "visible";
    if ((box.left < room.left - 1 || box.right > room.right + 1) && !scrolls)
      found.push([part.tagName, box.left, box.right, room.left, room.right]);
    if (part.scrollWidth > part.clientWidth + 1 && ["hidden", "clip"].includes(getComputedStyle(part).overflowX))
      found.push([part.tagName, part.scrollWidth, part.clientWidth]);
  }
  for (const picture of area.querySelectorAll("figure img")) {
    const box = picture.getBoundingClientRect(), frame = picture.parentElement;
    if (frame.scrollWidth + 1 < box.width || getComputedStyle(frame).overflowX !== "auto")
      found.push(["img", box.width, frame.scrollWidth]);
  }
  return found;
}
"""

# the smallest letters of a timeline as they are shown, in CSS pixels: 8 points of a picture that is 96 pixels an inch
LETTERS = """
(picture) => picture.getBoundingClientRect().width / parseFloat(picture.style.maxWidth) * 8 * 96 / 72
"""

# contrast of a text with the first background behind it that is not transparent, as the WCAG computes it
CONTRAST = """
(element) => {
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  let back = element;
  while (back && numbers(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
  const [one, other] = [numbers(getComputedStyle(element).color), numbers(getComputedStyle(back).backgroundColor)].map(light);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}
"""


@pytest.fixture
def looks(lab, page, tmp_path):
    """Open a notebook with pictures and a message in a theme, run it, and return the page."""

    def open_in(theme):
        lab.set(THEMES, theme=theme)
        name = f"looks/{theme.split()[-1].lower()}.ipynb"
        lab.write(name, *CELLS)
        lab.open(page, name)
        run_from(page, 0, len(CELLS))
        wait_for_end(page, len(CELLS) - 1)
        return page

    yield open_in
    lab.set(THEMES, theme="JupyterLab Light")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.heavy
def test_legible_and_nothing_cut(looks, theme, tmp_path):
    page = looks(theme)
    assert page.evaluate("document.body.dataset.jpThemeLight") == str("Light" in theme).lower()
    for number in (2, 3, 4):
        assert output(page, number).inner_text().strip()
    assert 'begins with a slash, as in lab.race("/brew", n=10).' in output(page, 4).inner_text()
    for label, (width, height) in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(f"innerWidth === {width} && document.querySelector('#main').clientWidth <= {width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for number in (2, 3, 4):
            area = output(page, number)
            area.scroll_into_view_if_needed()
            for part in area.locator(".jp-OutputArea-output").all():
                assert not part.evaluate(CUT), label
        for number in (2, 3):
            figure = output(page, number).locator("figure")
            assert figure.locator("img").evaluate(LETTERS) >= 7.5, label
            assert figure.locator("figcaption").evaluate(CONTRAST) >= 4.5
            panel = page.locator(f"{CURRENT} .jp-WindowedPanel-outer").bounding_box()
            shown = figure.bounding_box()
            assert panel["x"] <= shown["x"] and shown["x"] + shown["width"] <= panel["x"] + panel["width"] + 1, label
        output(page, 2).locator("figure").scroll_into_view_if_needed()
        page.screenshot(path=tmp_path / f"{theme.split()[-1]}_{width}.png")
