"""README and docs promise nothing that is not there."""

import importlib
import json
import re
import runpy
import shlex

import pytest

from autograder import cli, lab, paths
from autograder.judge import checks

DOCS = paths.ROOT / "docs"
PAGES = [
    paths.ROOT / "README.md",
    paths.ROOT / "CONTRIBUTING.md",
    paths.ROOT / "SECURITY.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("decisions/*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_commands_exist(page):
    """Every command that a page names can be parsed."""
    commands = re.findall(r"\./course ([^`\n#|\"]*)", page.read_text())
    assert commands or page.name not in ("CONTRIBUTING.md", "teaching.md", "verdicts.md")
    for line in commands:
        words = [word.rstrip(",.:;") for word in shlex.split(line.split(",")[0].split(" or ")[0])]
        if words in ([], ["--help"]):
            continue
        assert cli.parse(words), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
    """Every file that a page links to or names exists."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
    for name in re.findall(r"`((?:notebooks|solutions|autograder|docs|tests|lock|binder)/[\w/.]*)`", text):
        assert "NN_name" in name or (paths.ROOT / name).exists(), name


def test_readme_lists_the_lessons():
    """The README lists exactly the lessons that exist."""
    numbers = re.findall(r"^\| (\d\d) ", (paths.ROOT / "README.md").read_text(), re.M)
    assert numbers == sorted(folder.name[:2] for folder in paths.NOTEBOOKS.glob("[0-9]*"))


def test_readme_picture_has_alternative_text():
    """The README leads with a race that moves, unless the reader asked for less motion."""
    assert re.search(r"!\[[^\]]{80,}\]\(docs/race\.svg\)", (paths.ROOT / "README.md").read_text())
    picture = (paths.ROOT / "docs" / "race.svg").read_text()
    assert "@keyframes" in picture and "prefers-reduced-motion: no-preference" in picture
    assert len(re.findall(r'<rect class="request"', picture)) == 20 and 'class="blocked"' in picture
    assert not re.findall(r'(?:href|src)="?http', picture)


def test_quoted_messages_exist():
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


def test_constants_in_verdicts_match_code():
    """The reference lists constants by module, name and value."""
    rows = re.findall(r"^\| `([\w.]+)\.([A-Z_]+)` \| ([\d.]+) \|", (DOCS / "verdicts.md").read_text(), re.M)
    assert len(rows) > 20
    for module, name, value in rows:
        assert getattr(importlib.import_module(f"autograder.judge.{module}"), name) == float(value), name


def test_code_named_in_verdicts_exists():
    """The reference names files of the judge, and functions in them as ``file.py: name``."""
    named = re.findall(
        r"`((?:proofs|evidence|spec|diagnoses)/\w+\.py)(?:: (\w+))?`", (DOCS / "verdicts.md").read_text()
    )
    assert len(named) > 25
    for file, function in named:
        code = (paths.ROOT / "autograder" / "judge" / file).read_text()
        assert re.search(rf"^(?:async def|def|class) {function}\b", code, re.M) if function else code, (file, function)


def test_measurements_become_a_table_row():
    row = runpy.run_path(str(DOCS / "measurements.py"))["row"]
    trial = {
        "verdicts": 2,
        "outcome": "pass",
        "seconds": 1.0,
        "proof_seconds": 0.5,
        "complaint": "",
        "undecided": False,
    }
    other = {**trial, "outcome": "fail", "complaint": "a: must get «blocked» but: gil: the GIL was kept"}
    wrong = {**trial, "complaint": "a: must fail but: pass "}
    wrong_in_shop = {**trial, "complaint": "rate must get «blocked … x» but: pass : "}
    error = {**trial, "outcome": "error", "complaint": "it must pass but: error", "undecided": True}
    trials = json.loads(json.dumps([trial, other, wrong, wrong_in_shop, error]))
    assert row("idle", trials) == "| idle | 5, 10 | 2 | 1 | 1 | 0.5 | 1, 1 |"
    with pytest.raises(ValueError, match="at least two"):
        row("nothing", [])


def test_api_page_covers_notebook_imports():
    """The API page documents everything that notebooks import."""
    page = (DOCS / "site" / "api.md").read_text()
    documented = set(re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)", page, re.M))
    assert set(lab.__all__) - documented == {"diagrams"} and "autograder.lab.diagrams" in page
    methods = {name for name in vars(checks.Checks) if not name.startswith("_")}
    hidden = {"concurrency", "score"}  # of hidden tests: learners don't call them
    listed = re.search(r"autoclass:: Checks\(\)\n +:members: (.+)", page)[1].split(", ")
    assert set(listed) == methods - hidden


def test_architecture_names_every_program():
    """Each file that runs in a process of its own, and what these files share."""
    page = (DOCS / "architecture.md").read_text()
    programs = [file.name for file in (paths.ROOT / "autograder" / "programs").glob("*.py")]
    assert len(programs) > 10
    assert [name for name in programs if name != "__init__.py" and not re.search(rf"\b{name}\b", page)] == []
