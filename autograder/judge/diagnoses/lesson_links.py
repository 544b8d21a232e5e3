"""The sentence of a diagnosis that links to the lesson on its subject, if that can be recognised.

A call is recognised by its name. The app's file shows where the call is: lesson 10 covers middlewares, log handlers, async
streams, background tasks, caches and models, whatever they call.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HTTP, FILES = 2, 5  # lessons
# (lesson, pattern), of which the first match counts; the text is the code of the line and the name of the function that it called
SHOWN = [
    (10, r"\bLogger\.\w+"),
    (1, r"\btime\.sleep\b|\bsleep\("),
    (4, r"\bredis\b|\bRedis\.|\bb[lr]pop\b|\brpush\b"),
    (3, r"psycopg|pymysql|sqlite3|\bcursor\b|\.execute\(|\.fetch(one|all|many)\("),
    (6, r"\bsubprocess\b|\bos\.(system|popen)\b|\bPopen\b|\bcheck_output\b|\bcommunicate\b|\bprocess\.|\bpipe\."),
    (2, r"\brequests\b|\burllib\b|\burlopen\b|\bhttpx\b|\bsocket\b|\bClient\.|\bSession\.(get|post|request)\b"),
    (FILES, r"(?<!\.)\bopen\(|\bread_(text|bytes)\b|\bPath\(|\bfile\.read|\breadlines?\("),
    (8, r"\bsorted\(|\bjson\.(dumps|loads)\b|\bre\.\w+\(|\b(ranking|route)\b"),
    (7, r"\bhashlib\b|\bbcrypt\b|\bpbkdf2|\bscrypt\b|\bImage\b|\bresize\(|\b(thumbnail|stamp)\b"),
]
OUTSIDE_ENDPOINTS = 10  # the lesson on blockers outside endpoints
SIZE_LIMIT = 100_000  # bytes: larger files aren't read
CACHES = {"lru_cache", "cache"}
OF_MODELS = {"computed_field", "field_serializer", "field_validator", "model_serializer", "model_validator"}
# calls that are passed a function to run later
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def pointer(lesson: int) -> str:
    """Return the sentence that links to a lesson."""
    return f" Lesson {lesson:02} shows this."


def recognised(code: str, callee: str = "", file: str | None = None, line: int = 0) -> str:
    """Return the sentence for a blocking call, or "" if no lesson shows it.

    ``file`` and ``line`` are its place in the learner's file, if that is known.
    """
    text = f"{code} {callee}"
    lesson = next((lesson for lesson, words in SHOWN if re.search(words, text)), None)
    # a socket can be read like a file: then it's about HTTP
    if lesson == FILES and file and re.search(rb"\.makefile\(|\bsocket\.", source(file)) and "open(" not in code:
        lesson = HTTP
    if file and lesson != OUTSIDE_ENDPOINTS and in_no_endpoint(source(file), line):
        instead = f", and lesson {lesson:02} what to write instead" if lesson else ""
        return f" Lesson {OUTSIDE_ENDPOINTS:02} shows this{instead}."
    return pointer(lesson) if lesson else ""


def in_no_endpoint(source: bytes, line: int) -> bool:
    """Return True if the line is run by a middleware, a log handler, an async stream, a background task, a cache or a model.

    A function that one of these calls counts as well, if nothing else calls it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the file's own warnings were reported when it was served
            names = _Names(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    around = [node for node in names.functions if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return bool(around) and names.hidden(max(around, key=lambda node: node.lineno))


class _Names:
    """Which functions of a file use which names, and which functions lesson 10 is about."""

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        self.functions = [node for node in nodes if isinstance(node, FUNCTIONS)]
        self._handed = _given_to(nodes, TAKE_FUNCTIONS)
        self._depended = _given_to(nodes, {"Depends"})
        self._class: dict[ast.AST, ast.ClassDef] = {
            method: kind for kind in nodes if isinstance(kind, ast.ClassDef) for method in kind.body
        }
        self._callers: defaultdict[str | None, list[ast.FunctionDef | ast.AsyncFunctionDef]] = defaultdict(list)
        for function in self.functions:
            for name in {_last(node) for part in function.body for node in ast.walk(part)} - {function.name}:
                self._callers[name].append(function)

    def hidden(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Return True if lesson 10 is about the function, or about every function from which it can be reached."""
        todo, known, found = [function], set(), False
        while todo:
            function = todo.pop()
            if self._is(function):
                found = True
            elif function.name not in known:
                known.add(function.name)
                if not self._callers[function.name]:
                    return False
                todo += self._callers[function.name]
        return found

    def _is(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        marks = {_last(mark) for mark in function.decorator_list}
        if function.name in self._handed or "middleware" in marks or (CACHES | OF_MODELS) & marks:
            return True
        if isinstance(function, ast.AsyncFunctionDef) and _yields(function):
            return not marks and function.name not in self._depended  # a dependency with a yield is a generator, too
        kind = self._class.get(function)
        if kind is None:
            return False
        bases = [_last(base) or "" for base in kind.bases]
        return (
            kind.name in self._handed
            or any(base.endswith(("Handler", "Middleware")) for base in bases)
            or [argument.arg for argument in function.args.args[1:]] == ["scope", "receive", "send"]
        )


def _given_to(calls: Iterable[Any], names: set[str]) -> set[str | None]:
    """Return the names of everything that is passed to calls of ``names``."""
    calls = (call for call in calls if isinstance(call, ast.Call) and _last(call.func) in names)
    given = (value for call in calls for value in (*call.args, *(keyword.value for keyword in call.keywords)))
    return {_last(value) for value in given}


def _yields(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return True if the function itself is a generator. Functions inside it don't count."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(node)
    return False


def _last(node: ast.AST) -> str | None:
    """Return the last name of ``a.b.c`` or of a call of it, or None."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def source(file: str | Path) -> bytes:
    """Return the bytes of an app's file; empty if it can't be read or is too large."""
    try:
        with open(file, "rb", opener=_never_waiting) as opened:
            text = opened.read(SIZE_LIMIT + 1)
    except OSError:
        return b""
    return text if len(text) <= SIZE_LIMIT else b""


def _never_waiting(path: str, flags: int) -> int:
    """Open a file without blocking, even if an app has put a pipe in its place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


TAKE_FUNCTIONS = {"add_task", "BackgroundTask", "add_middleware", "Middleware"}
