"""README and docs promise nothing that is not there."""

import re
import shlex

import pytest

from autograder import cli, paths

PAGES = [paths.ROOT / "README.md", paths.ROOT / "CONTRIBUTING.md", *sorted((paths.ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page):
    commands = re.findall(r"\./course ([^`\n#|]*)", page.read_text())
    assert commands or page.name == "exercises.md"
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
