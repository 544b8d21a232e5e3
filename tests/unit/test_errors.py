"""One tree of exceptions, as it's drawn in `autograder.errors`."""

import ast
import builtins
import re
from collections import defaultdict

from autograder import cli, errors, paths
from autograder.judge.checks import OUTPUT_COLUMNS, CheckFailed
from autograder.lab.start_budget import StartTimeout

BUILTINS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}


def drawn():
    """{name: the name above it, "" for a root} of the exceptions in the drawing."""
    found, above = {}, []
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([│├└─ ]*)(\w+)  ", line):
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            found[match[2]] = above[depth - 1] if depth else ""
    return found


def defined():
    """{name: its bases} of all exceptions that the package defines, of several classes of one name together."""
    classes = []
    for file in (paths.ROOT / "autograder").rglob("*.py"):
        if file.is_relative_to(paths.TAKEHOME):
            continue  # a project of its own
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                classes.append((node.name, {ast.unparse(base).rpartition(".")[2] for base in node.bases}))
    exceptions, size = {*BUILTINS, "CancelledError"}, 0
    while len(exceptions) > size:
        size = len(exceptions)
        exceptions |= {name for name, bases in classes if bases & exceptions}
    found = defaultdict(set)
    for name, bases in classes:
        if bases & exceptions:
            found[name] |= bases & exceptions
    return found


def test_drawing_has_every_exception():
    assert {name: base for name, base in drawn().items() if base} == {
        name: next(iter(bases - BUILTINS)) for name, bases in defined().items() if bases - BUILTINS - {"CancelledError"}
    }
    assert {name for name, base in drawn().items() if not base} == {
        name for name, bases in defined().items() if bases <= BUILTINS
    }


def test_drawing_names_other_bases():
    """The drawing names the built-in exceptions that the classes also derive from."""
    others = {name: bases & BUILTINS for name, bases in defined().items() if bases - BUILTINS and bases & BUILTINS}
    assert others == {"CheckFailed": {"AssertionError"}, "StartTimeout": {"TimeoutError"}}
    for name, bases in others.items():
        line = next(line for line in errors.__doc__.splitlines() if f" {name} " in line)
        assert line.endswith(f"; also {'an' if bases == {'AssertionError'} else 'a'} {min(bases)}")


def test_notebook_shows_the_message_only():
    assert StartTimeout("too busy")._render_traceback_() == ["too busy"]
    assert CheckFailed("the loop was blocked")._render_traceback_() == ["Not yet: the loop was blocked"]


def test_long_message_breaks_at_words():
    """JupyterLab breaks a long line of an error anywhere: the message's lines are short enough, and no word is lost."""
    said = "  the loop was blocked by `time.sleep(wait)`, " + "and so no other request was served, " * 9 + "x" * 150
    lines = CheckFailed(f"in short\n{said}")._render_traceback_()[0].splitlines()
    assert lines[0] == "Not yet: in short" and all(line.startswith("  ") for line in lines[1:])
    assert " ".join(" ".join(lines[1:]).split()) == " ".join(said.split())
    assert all(len(line) <= OUTPUT_COLUMNS for line in lines[:-1]) and lines[-1].strip() == "x" * 150


def test_command_prints_only_the_message(monkeypatch, capsys):
    """Of any of them, whichever command raised it."""

    def refuse(args):
        raise StartTimeout("The machine is too busy.")

    parsed = cli.parse(["build"])
    parsed.run = refuse
    monkeypatch.setattr(cli, "parse", lambda argv: parsed)
    assert cli.main(["build"]) == 1
    assert capsys.readouterr().err == "The machine is too busy.\n"
