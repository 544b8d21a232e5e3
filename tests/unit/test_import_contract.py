"""Imports run one way, downwards, between the packages and inside the judge; programs import only each other."""

import ast
import subprocess
import sys

import pytest

from autograder import paths

PACKAGE = paths.ROOT / "autograder"
FILES = sorted(
    file.relative_to(PACKAGE).as_posix()
    for file in PACKAGE.rglob("*.py")
    if "jupyter" not in file.parts  # settings
)

# From the ground up: a package imports from those below it, and from the modules that stand below all.
GROUND = {"errors", "managed_process", "paths"}
LAYERS = [
    "takehome",
    "programs",
    "bootstrap",
    "sandbox",
    "services",
    "lab",
    "judge",
    "classroom",
    "benchmarks",
    "site",
    "dev",
]
TOP = {"cli", "__main__", "__init__"}
INSIDE_THE_JUDGE = [
    "verdict",
    "spec",
    "diagnoses",
    "evidence",
    "proofs",
    "decide",
    "served_app",
    "judge",
    "tasks",
    "catalogue",
    "checks",
]


def imports_of(name, for_types=True):
    """Dotted names of everything of the package that a file imports, wherever in it; if not ``for_types``, when it runs."""
    tree = ast.parse((PACKAGE / name).read_text())
    if not for_types:
        tree.body = [node for node in tree.body if not is_for_types(node)] + [
            ast.Module(node.orelse, []) for node in tree.body if is_for_types(node)
        ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level and name.startswith("programs/messages/"):
                continue  # it's imported as autograder.programs.messages here, and as messages by programs
            assert not node.level, f"{name} has a relative import in line {node.lineno}: write from autograder. ..."
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (module.split(".")[1:] for module in modules if module.split(".")[0] == "autograder")


def is_for_types(node):
    """True for ``if TYPE_CHECKING: ...``, which no program runs; what follows its ``else`` is run."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def part_of(name, depth):
    return name.removesuffix(".py").split("/")[depth]


@pytest.mark.parametrize("name", [name for name in FILES if part_of(name, 0) not in TOP])
def test_package_imports_from_below(name):
    package = part_of(name, 0)
    allowed = GROUND if package in GROUND else {*GROUND, *LAYERS[: LAYERS.index(package) + 1]}
    for parts in imports_of(name):
        assert not parts or parts[0] in allowed, f"{name} imports autograder.{'.'.join(parts)}"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("judge/") and name != "judge/__init__.py"])
def test_judge_imports_from_below(name):
    allowed = INSIDE_THE_JUDGE[: INSIDE_THE_JUDGE.index(part_of(name, 1)) + 1]
    for parts in imports_of(name):
        assert parts[0] != "judge" or parts[1] in allowed, f"{name} imports autograder.{'.'.join(parts)}"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("programs/")])
def test_program_imports_no_package(name):
    """They are started by path, some of them inside a sandbox that has nothing else of the package."""
    assert not list(imports_of(name, for_types=False))
    assert all(parts[:1] == ["programs"] for parts in imports_of(name))


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("takehome/")])
def test_takehome_imports_standard_library(name):
    """Its core needs nothing else; what extras are for is imported where it's used, and not by the watchdog."""
    extras = {"pytest", "prometheus_client", "opentelemetry"}
    of_service = {"uvicorn", "uvloop", "anyio", "fastapi"}  # asked of the service's own environment
    if name == "takehome/freeloop/host.py":
        of_service |= {"loop_watchdog", "app_warm_up"}  # imported by name: this one runs where no package is installed
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            allowed = sys.stdlib_module_names | {"freeloop"} | (extras | of_service if "/core/" not in name else set())
            assert module.split(".")[0] in allowed, f"{name} imports {module}"


def test_watchdog_has_one_source():
    """The course watches with the file that the package has, in each process: nothing of it exists twice.

    Three processes find its folder by themselves, because they import nothing of each other's package.
    """
    from freeloop import host

    from autograder.programs import serve_app

    for name in ("loop_watchdog", "app_warm_up"):
        assert [file for file in FILES if file.endswith(f"/{name}.py")] == [f"takehome/freeloop/core/{name}.py"]
        assert (paths.WATCHDOG / f"{name}.py").is_file()
    assert str(paths.WATCHDOG) == serve_app.WATCHDOG == host.CORE
    bodies = [file for file in FILES if "class LoopIterations" in (PACKAGE / file).read_text()]
    assert bodies == ["takehome/freeloop/core/loop_watchdog.py"]


def test_every_file_has_a_place():
    assert {part_of(name, 0) for name in FILES} == {*GROUND, *LAYERS, *TOP}


def test_grading_worker_draws_nothing():
    slow = {"matplotlib", "nbformat", "nbgrader", "jsonschema"}
    check = f"import sys, autograder.classroom.worker; sys.exit(bool({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=paths.ROOT).returncode == 0


def test_commands_build_no_grammar():
    """jsonschema would build a grammar of IRIs when nbformat imports it, in 1.5 s of CPU for each command and each process."""
    check = "import sys, autograder.classroom.nbgrader.feedback_writer; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=paths.ROOT).returncode == 0
