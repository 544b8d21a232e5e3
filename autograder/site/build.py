"""Puts the pages together and has Sphinx make the site."""

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
# The pages about the course, in the order of the menu; what is not there yet is left out.
DOCS = ("teaching", "verdicts", "troubleshooting", "binder", "exercises", "glossary")


def main(target=None):
    """Build the site and say where it is.  Returns an exit code."""
    target = Path(target).resolve() if target else BUILT
    if not may_be_replaced(target):
        print(f"{target} has files that are not of a site built here. Name a folder that is new or empty.")
        return 2
    code = build(target)
    if code == 0:
        print(f"The site is built. Open {target / 'index.html'}, or publish the folder as it is.")
    return code


def build(target, run=lambda folder: True):
    """Build the site in the folder ``target``; ``run`` says of a lesson's folder whether it is executed.

    What was built there before stays until the new one is whole.  Nothing else may be there: see `may_be_replaced`.
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
    """True for a folder that is not there, is empty, or has what Sphinx has built: it leaves its mark."""
    if not target.exists():
        return True
    return target.is_dir() and ((target / ".buildinfo").is_file() or not any(target.iterdir()))


def assemble(source, run):
    """Fill the folder of sources: lessons with their outputs, the pages in docs/, the race that moves."""
    pictures = source / "_static" / "races"
    pictures.mkdir(parents=True)
    menu = []
    for folder in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*")):
        file = folder / f"lesson_{folder.name}.ipynb"
        if not file.is_file():
            continue
        node = execute.executed(file) if run(folder.name) else nbformat.read(file, 4)
        execute.pictures_apart(node, pictures, "../_static/races")
        (source / folder.name).mkdir()
        nbformat.write(node, source / folder.name / file.name)
        menu.append(f"{folder.name[:2]} {title(node)} <{folder.name}/{file.stem}>")
    for name in DOCS:
        file = paths.ROOT / "docs" / f"{name}.md"
        if file.is_file():
            (source / file.name).write_text(inside(file.read_text(encoding="utf-8")), encoding="utf-8")
    docs = [name for name in DOCS if (source / f"{name}.md").is_file()]
    index = source / "index.md"
    text = index.read_text(encoding="utf-8")
    for mark, value in (("LESSONS", "\n".join(menu)), ("DOCS", "\n".join(docs)), ("RACES", animation.page())):
        text = text.replace(f"@{mark}@", value)
    index.write_text(text, encoding="utf-8")


def title(node):
    """The first-level heading of a notebook, as plain text."""
    heading = next(re.search(r"^# (.+)$", cell.source, re.M) for cell in node.cells if cell.cell_type == "markdown")
    return heading[1].replace("`", "")


def inside(text):
    """A page of docs/ as a page of the site: links to files that are no pages there become their text."""

    def link(found):
        words, goal = found[1], found[2].split("#")[0]
        kept = "://" in goal or not goal or (goal.endswith(".md") and goal[:-3] in DOCS)
        return found[0] if kept else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, text)
