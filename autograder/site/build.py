"""Assemble the pages and build the site with Sphinx."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from autograder import paths
from autograder.site import animation, execute

SOURCES = paths.ROOT / "docs" / "site"
BUILT = paths.ROOT / ".build" / "site"
# The pages in docs/ that the site has, in the order of the menu. Missing files are skipped.
DOCS = ("teaching", "verdicts", "troubleshooting", "binder", "exercises", "glossary")


def main(target=None):
    """Build the site in ``target`` and print where it is. Return an exit code."""
    target = Path(target).resolve() if target else BUILT
    if not may_be_replaced(target):
        print(f"{target} contains files that don't belong to a built site. Choose a new or empty folder.")
        return 2
    code = build(target)
    if code == 0:
        print(f"The site is built. Open {target / 'index.html'}, or publish the folder as it is.")
    return code


def build(target, run=lambda folder: True):
    """Build the site in the folder ``target`` and return Sphinx's exit code.

    ``run(name)`` returns whether the lesson in the folder ``name`` is executed. An earlier site in ``target`` is replaced
    only if the build succeeds. ``target`` may contain nothing else, see `may_be_replaced`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".course-site-", dir=target.parent) as work:
        source, made = Path(work, "source"), Path(work, "html")
        shutil.copytree(SOURCES, source)
        assemble(source, run)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "sphinx",
                "-q",
                "-W",
                "--keep-going",
                "-b",
                "html",
                "-d",
                Path(work, "trees"),
                source,
                made,
            ]
        )
        if done.returncode == 0:
            if target.exists():
                target.rename(Path(work, "before"))
            made.rename(target)
    return done.returncode


def may_be_replaced(target):
    """Return True if the folder doesn't exist, is empty, or contains Sphinx's ``.buildinfo``."""
    if not target.exists():
        return True
    return target.is_dir() and ((target / ".buildinfo").is_file() or not any(target.iterdir()))


def assemble(source, run):
    """Fill Sphinx's source folder with the lessons and their outputs, the pages of docs/, and the animated races."""
    pictures = source / "_static" / "races"
    pictures.mkdir(parents=True)
    menu = []
    for folder in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*")):
        file = folder / f"lesson_{folder.name}.ipynb"
        if not file.is_file():
            continue
        node = execute.execute(file) if run(folder.name) else nbformat.read(file, 4)
        execute.extract_images(node, pictures, "../_static/races")
        (source / folder.name).mkdir()
        nbformat.write(node, source / folder.name / file.name)
        menu.append(f"{folder.name[:2]} {title(node)} <{folder.name}/{file.stem}>")
    for name in DOCS:
        file = paths.ROOT / "docs" / f"{name}.md"
        if file.is_file():
            (source / file.name).write_text(unlink_missing(file.read_text(encoding="utf-8")), encoding="utf-8")
    docs = [name for name in DOCS if (source / f"{name}.md").is_file()]
    index = source / "index.md"
    text = index.read_text(encoding="utf-8")
    for mark, value in (("LESSONS", "\n".join(menu)), ("DOCS", "\n".join(docs)), ("RACES", animation.page())):
        text = text.replace(f"@{mark}@", value)
    index.write_text(text, encoding="utf-8")


def title(node):
    """Return the first-level heading of a notebook as plain text."""
    heading = next(re.search(r"^# (.+)$", cell.source, re.M) for cell in node.cells if cell.cell_type == "markdown")
    return heading[1].replace("`", "")


def unlink_missing(text):
    """Return the text of a page of docs/ for the site: a link to a file that isn't a page of the site becomes plain text."""

    def link(found):
        words, target = found[1], found[2].split("#")[0]
        works = "://" in target or not target or (target.endswith(".md") and target[:-3] in DOCS)
        return found[0] if works else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, text)
