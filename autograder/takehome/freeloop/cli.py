"""The command line: ``python -m freeloop audit shop.main:app``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import freeloop
from freeloop import durations, report_html, report_json, report_text
from freeloop.audit import AuditOptions, run_audit
from freeloop.env_file import EnvFileError, read_env_file
from freeloop.load import LoadBounds
from freeloop.request_plan import PlanError
from freeloop.service_process import ServiceError, ServiceSpec

OVER_BUDGET, CANNOT_RUN = 1, 2  # exit codes; 0 means within the budget, or no budget


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser("freeloop", description=freeloop.__doc__)
    top.add_argument("--version", action="version", version=f"freeloop {freeloop.__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    audit = commands.add_parser(
        "audit",
        help="serve an app, send requests on loopback, and list the lines that block its event loop",
        description="Exit codes: 0 within the budget or without one, 1 over the budget, 2 the audit can't run.",
    )
    audit.add_argument("app", help="package.module:attribute, as for uvicorn")
    audit.add_argument("--factory", action="store_true", help="the attribute is a function that returns the app")
    audit.add_argument(
        "--folder", type=Path, default=Path(), help="the service's working directory (default: this one)"
    )
    audit.add_argument(
        "--app-dir",
        type=Path,
        help="the folder to put on the import path, relative to --folder (default: --folder itself)",
    )
    audit.add_argument("--python", default=sys.executable, help="the service's Python interpreter (default: this one)")
    audit.add_argument("--env-file", type=Path, help="a .env file with environment variables for the service")
    audit.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    audit.add_argument("--requests", type=int, default=20, metavar="N", help="requests to each endpoint (default: 20)")
    audit.add_argument(
        "--seconds", type=_duration, default=2.0, metavar="T", help="time over which they are sent (default: 2s)"
    )
    audit.add_argument(
        "--limit", type=_duration, default=10.0, metavar="T", help="longest wait for a response (default: 10s)"
    )
    audit.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="X",
        help="also call this method, or this endpoint ('POST /orders')",
    )
    audit.add_argument("--only", action="append", default=[], metavar="X", help="audit only this path or endpoint")
    audit.add_argument("--values", type=Path, metavar="FILE", help="a JSON file with values for parameters and bodies")
    audit.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a header of all requests"
    )
    audit.add_argument(
        "--max-block", type=_duration, metavar="T", help="the budget, such as 50ms: exit with 1 if a block is longer"
    )
    audit.add_argument("--count-first", action="store_true", help="apply the budget to first requests as well")
    audit.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON (- for stdout)")
    audit.add_argument("--html", type=Path, metavar="FILE", help="write the report as an HTML page with timelines")
    cost = commands.add_parser(
        "overhead",
        help="measure what the monitor costs: run the same app with and without it",
        description="Exit code 2: the app can't be served.",
    )
    cost.add_argument("app", nargs="?", default="freeloop.monitor.overhead:default_app", help="as for uvicorn")
    cost.add_argument("--path", default="/", help="what to request (default: /)")
    cost.add_argument(
        "--slices", type=int, default=20, metavar="N", help="slices of load for each of the two servers (default: 20)"
    )
    cost.add_argument("--slice", type=_duration, default=0.5, metavar="T", help="length of one slice (default: 0.5s)")
    sample = commands.add_parser("example", help="write a small service with one blocking line, to try freeloop on")
    sample.add_argument("folder", type=Path, help="the folder to create")
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. ``words`` are the arguments, by default those of the process."""
    options = parser().parse_args(words)
    try:
        return {"audit": _audit, "overhead": _overhead, "example": _example}[options.command](options)
    except (ServiceError, PlanError, EnvFileError, _OptionError) as problem:
        print(f"freeloop: {problem}", file=sys.stderr)
        return CANNOT_RUN
    except KeyboardInterrupt:
        return 130


def _overhead(options: argparse.Namespace) -> int:
    from freeloop.monitor.overhead import measure

    try:
        print(measure(options.app, options.path, options.slices, options.slice))
    except (OSError, EOFError) as problem:
        raise _OptionError(f"{options.app} can't be served: {problem}") from None
    return 0


def _example(options: argparse.Namespace) -> int:
    from freeloop import example

    try:
        files = example.write(options.folder)
    except OSError as problem:
        raise _OptionError(str(problem)) from None
    print(*files, sep="\n")
    return 0


class _OptionError(Exception):
    """An option can't be used. The message says why."""


def _audit(options: argparse.Namespace) -> int:
    spec = ServiceSpec(
        options.app,
        options.factory,
        options.folder,
        options.app_dir,
        options.python,
        read_env_file(options.env_file) if options.env_file else {},
        options.loop,
    )
    if options.requests < 1:
        raise _OptionError("--requests must be at least 1")
    choices = AuditOptions(
        options.include,
        options.only,
        _values(options.values),
        dict(_header(text) for text in options.header),
        LoadBounds(options.requests, options.seconds, options.limit),
        options.max_block,
        options.count_first,
    )
    audit = run_audit(spec, choices, lambda name: print(f"calling {name}", file=sys.stderr))
    as_json = json.dumps(report_json.document(audit), indent=1, ensure_ascii=False)
    if options.json and str(options.json) != "-":
        options.json.write_text(as_json + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(report_html.page(audit), encoding="utf-8")
    print(as_json if str(options.json) == "-" else report_text.text(audit))
    if audit.over_budget:
        return OVER_BUDGET
    if audit.budget_s is not None and audit.routes and len(audit.not_run) == len(audit.routes):
        raise _OptionError("no request to any endpoint succeeded, so the budget can't be checked")
    return 0


def _duration(text: str) -> float:
    try:
        return durations.seconds(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _values(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise _OptionError(f"{file} can't be read as JSON: {problem}") from None
    if not isinstance(found, dict):
        raise _OptionError(f"{file} must contain a JSON object")
    return found


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise _OptionError(f"--header {text!r} has no colon: write 'Name: value'")
    return name.strip(), value.strip()
