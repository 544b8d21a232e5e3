"""Imports run one way, downwards: classroom, judge, lab, then services and the jail; the host stands alone."""

import ast
import subprocess
import sys

import pytest

from autograder import paths

ROOM = {"classroom": 4, "judge": 3, "lab": 2, "services": 1, "jail": 1}
# what runs by path in a process of its own, with nothing of the package in it
ALONE = {
    "host/serve.py",
    "host/watch.py",
    "jail/warm.py",
    "judge/forward.py",
    "judge/gate_server.py",
    "judge/run_test.py",
    "lab/connection.py",
    "lab/racer.py",
    "services/upstream_server.py",
    "services/keeper.py",
}
PACKAGE = paths.ROOT / "autograder"
FILES = sorted(file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py"))


def imported_rooms(name):
    """First parts of everything of the package that a file imports, wherever in it."""
    here = ["autograder", *name.split("/")[:-1]]
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            modules = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            parts = module.split(".")
            if parts[0] == "autograder" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("name", [name for name in FILES if name.split("/")[0] in ROOM])
def test_a_room_imports_only_what_lies_below(name):
    room = name.split("/")[0]
    for other in imported_rooms(name):
        assert other in ("paths", room) or ROOM.get(other, 99) < ROOM[room], f"{name} imports autograder.{other}"


@pytest.mark.parametrize("name", sorted(ALONE))
def test_what_runs_beside_others_knows_nothing_of_the_package(name):
    assert not list(imported_rooms(name))


def test_only_named_files_stand_in_the_hosts_room():
    assert {name for name in FILES if name.startswith("host/")} == {
        "host/__init__.py",
        "host/serve.py",
        "host/watch.py",
    }


def test_what_grades_draws_nothing():
    check = "import sys, autograder.classroom.worker; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=paths.ROOT).returncode == 0
