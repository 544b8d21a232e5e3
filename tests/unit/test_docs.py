"""README and docs promise nothing that is not there."""

import re
import shlex

import pytest

from autograder import cli, paths

PAGES = [paths.ROOT / "README.md", paths.ROOT / "CONTRIBUTING.md", *sorted((paths.ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page):
    commands = re.findall(r"\./course ([^`\n#|\"]*)", page.read_text())
    assert commands or page.name not in ("README.md", "CONTRIBUTING.md", "teaching.md", "verdicts.md")
    for line in commands:
        words = [word.rstrip(",.:;") for word in shlex.split(line.split(",")[0].split(" or ")[0])]
        if words in ([], ["--help"]):
            continue
        assert cli.parse(words), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_linked_exists(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
    for name in re.findall(r"`((?:notebooks|solutions|autograder|docs|tests|lock|binder)/[\w/.]*)`", text):
        assert "NN_name" in name or (paths.ROOT / name).exists(), name


def test_the_lessons_of_the_readme_are_those_that_are_there():
    numbers = re.findall(r"^\| (\d\d) ", (paths.ROOT / "README.md").read_text(), re.M)
    assert numbers == sorted(folder.name[:2] for folder in paths.NOTEBOOKS.glob("[0-9]*"))


def test_the_picture_has_a_text():
    assert re.search(r"!\[[^\]]{80,}\]\(docs/race\.png\)", (paths.ROOT / "README.md").read_text())


def test_the_troubles_that_are_explained_are_what_we_say():
    """A message that is quoted as a heading is one that our code, or Python, has."""
    code = "".join(file.read_text() for file in (paths.ROOT / "autograder").rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    page = (paths.ROOT / "docs" / "troubleshooting.md").read_text()
    quoted = [one or two for two, one in re.findall(r"\*\*(?:``(.+?)``|`([^`]+)`)\*\*", page)]
    assert len(quoted) > 8
    for message in quoted:
        if re.match(r"ModuleNotFoundError|NameError|UsageError|RuntimeError", message):
            continue  # Python's own, or IPython's
        # names and numbers vary: each longer run of words in between must be there
        pieces = [piece for piece in re.split(r"8888|\w+\.py|venv", message) if len(piece.split()) > 2]
        assert pieces and all(piece.strip() in code for piece in pieces), message
