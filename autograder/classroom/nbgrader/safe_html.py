"""Makes pages that nbconvert writes of a student's notebook safe to open: nothing that the student wrote runs in a browser.

Feedback pages are opened by teachers and by students. nbgrader's formgrader shows the same notebooks on the Jupyter server
itself, where a script could do all that the teacher can. nbconvert takes over HTML in Markdown cells and in outputs as it
is, so `set_on` gives its HTML exporter filters that keep harmless tags, and a step that drops metadata that pages use.
"""

from __future__ import annotations

import html
import re
from functools import cache, lru_cache
from typing import Any

from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import Cleaner  # comes with nbconvert
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML, strip_files_prefix
from nbconvert.filters.markdown_mistune import InvalidNotebook
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets.config import Config

TEXT_MAX = 20_000  # characters of one text that is taken for Markdown or HTML: parsing a hostile one takes 3 s then
COLOURED_MAX = 10_000  # of one cell of code that gets colours: a hostile one takes pygments 2 s then
NOTEBOOK_MAX = 200_000  # of all the Markdown and code of a notebook that is more than plain text
CODE_MAX = 200_000  # of one cell that are shown, as many as are judged
TEXTS_KEPT = 200  # converted Markdown texts that are kept in memory
SPACE = re.compile(r"\s{200}")  # for each blank of a run of them pygments reads the rest of it once more
PLAIN = "shown_as_plain_text"
TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "var",
    ]
)
ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "details": {"open"},
    "img": {"alt", "height", "src", "title", "width"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
STYLED = {"figure", "img", "td", "th"}
STYLES = ("margin", "max-width", "text-align")
# classes of highlighted code; with others a text could pass for a part of the page
CODE_CLASS = re.compile(r"\s*highlight( hl-\w+)?|[a-z][a-z0-9]{0,2}")
IMAGE = re.compile(r"data:image/[a-z.+-]+;base64,[A-Za-z0-9+/=]*", re.IGNORECASE)
CELL_METADATA = ("nbgrader", "marked_lines")


def set_on(config: Config) -> None:
    """Set on a traitlets config that HTML exporters write safe pages."""
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.exclude_anchor_links = True  # they lead to ids, and ids aren't kept
    config.HTMLExporter.preprocessors = [NeededMetadata]
    config.HTMLExporter.filters = {
        "markdown2html": markdown,
        "clean_html": clean,
        "highlight_code": highlighted,
        # it would take "files/" out of an address that was found to be harmless with it; `markdown` does it before
        "strip_files_prefix": lambda text: text,
    }


class NeededMetadata(Preprocessor):
    """Drops what a notebook says about itself, except what its page is made of."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the notebook with little metadata: tags, widgets and names of lexers end up in a page."""
        nb.metadata = NotebookNode()
        left = NOTEBOOK_MAX
        for cell in nb.cells:
            cell.metadata = NotebookNode({name: cell.metadata[name] for name in CELL_METADATA if name in cell.metadata})
            left -= min(len(cell.source), TEXT_MAX)
            cell.metadata[PLAIN] = left < 0
            for output in cell.get("outputs", ()):
                if "metadata" in output:
                    output.metadata = NotebookNode()
        return nb, resources


def clean(text: Any) -> str:
    """Return HTML with only harmless tags and attributes; the others are shown as text."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    if len(text) > TEXT_MAX and len(IMAGE.sub("", text)) > TEXT_MAX:  # images alone may be long
        return plain(text)
    return str(_cleaner().clean(text))


@pass_context
def markdown(context: Context, text: str) -> str:
    """Return Markdown as harmless HTML; a text that is too long or too deep, or lacks an attachment, is shown as it is."""
    cell = context.get("cell", {})
    if len(text) > TEXT_MAX or cell.get("metadata", {}).get(PLAIN):
        return plain(text)
    try:
        return _converted(context, text) if cell.get("attachments") else _converted_once(text)
    except (RecursionError, InvalidNotebook):  # the latter for an attachment that isn't there
        return plain(text)


def _converted(context: Context | dict[str, Any], text: str) -> str:
    return clean(strip_files_prefix(_exporter().markdown2html(context, text)))


@lru_cache(TEXTS_KEPT)
def _converted_once(text: str) -> str:
    """Return a Markdown text as harmless HTML. What an exercise says is the same for the whole class."""
    return _converted({}, text)


def plain(text: str) -> str:
    """Return a text as HTML that shows it."""
    return f"<pre>{html.escape(shortened(text))}</pre>"


def shortened(text: str) -> str:
    """Return a text, or its first `CODE_MAX` characters and how many more there are."""
    if len(text) <= CODE_MAX:
        return text
    return f"{text[:CODE_MAX]}\n... {len(text) - CODE_MAX:,} more characters"


def highlighted(source: str, language: str | None = None, metadata: dict[str, Any] | None = None) -> str:
    """Return Python code as HTML with colours, whatever language the notebook claims to be in; long code without."""
    if not has_colours(source, metadata):
        return f'<div class="highlight hl-ipython3">{plain(source)}</div>'
    return str(_highlighter()(source))


def has_colours(source: str, metadata: dict[str, Any] | None = None) -> bool:
    """True for code that can be highlighted in a short time."""
    return len(source) <= COLOURED_MAX and not SPACE.search(source) and not (metadata or {}).get(PLAIN)


def _allowed(tag: str, name: str, value: str) -> bool:
    """True for an attribute that may stay."""
    if name == "class":
        return bool(CODE_CLASS.fullmatch(value))
    if name == "style":
        return tag in STYLED
    if value.strip().lower().startswith("data:"):
        return (tag, name) == ("img", "src") and bool(IMAGE.fullmatch(value))
    return name in ATTRIBUTES.get(tag, ())


@cache
def _cleaner() -> Cleaner:
    return Cleaner(
        tags=TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=STYLES),
    )


@cache
def _exporter() -> HTMLExporter:
    """Return nbconvert's exporter for its Markdown alone."""
    return HTMLExporter(exclude_anchor_links=True)


@cache
def _highlighter() -> Highlight2HTML:
    return Highlight2HTML(pygments_lexer="ipython3")
