"""``./course bench monitors``: freeloop beside other tools that look for blocking, on the same apps in one run.

The apps are those of exercise 12 whose loop is blocked or free for certain, and small versions of incidents that people have
reported (`monitored/`). Each is served under each tool (`monitored_app`), gets one request to warm up, and then a few rounds
of requests at the same time. What counts:

* *found*: the tool reports anything about an app that blocks;
* *right line*: the report names the line of the app that blocks, as file and number;
* *false alarms*: the tool reports anything about an app whose loop is free;
* *overhead*: CPU seconds a request of a small app under the tool, as a ratio to those without a tool.

``--record FILE`` writes the table into a page, between its two marks.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from autograder import paths
from autograder.benchmarks.cpu_load import hogs
from autograder.benchmarks.monitored_app import MONITOR, TOOLS
from autograder.errors import UserFacingError
from autograder.managed_process import ManagedProcess

THRESHOLD_S = 0.05  # s, for every tool that has a threshold
ROUNDS = 2  # of `TOGETHER` requests at the same time
TOGETHER = 4
SETTLE_S = 0.5  # s after the load, in which a tool may still report
WAIT_S = 0.2  # s for which the upstream of exercise 12's apps waits before it replies
LIMIT_S = 20.0  # s for a request of the load: an app may be blocked for ever
READY_LIMIT_S = 120.0  # s for the first response
PY_SPY_RATE = 100  # samples a second
PY_SPY_START_S = 0.5  # s: py-spy doesn't say when it has begun; a few samples more or less change no result
PY_SPY_SHARE = 0.05  # share of the samples from which a line of the app counts as reported
# Apps that are served at the same time beside CPU-bound processes: each is one more process, and the whole takes a quarter
# of the time. On an idle machine one app is alone.
AT_A_TIME_BUSY = 4
SLICES, SLICE_S, CONNECTIONS = 6, 1.0, 8  # of the load that measures the overhead
HERE = Path(__file__).parent
HIDDEN = paths.SOLUTIONS / "12_testing_for_it" / "hidden"
# The lines that block in those of exercise 12's apps whose loop is blocked.
CULPRITS = {
    "in_the_endpoint": "requests.get(",
    "in_a_helper": "httpx.get(",
    "in_a_dependency": "urlopen(f",
    "result_on_the_loop": "job.result()",
    "await_then_block": "requests.get(",
    "lock_of_threads": "with lock:",
    "the_fourth_blocks": "job.result()",
}
MARK = "# blocks"
MARKS = ("<!-- monitors: begin -->", "<!-- monitors: end -->")
AUDIT = "freeloop audit"  # a command, which serves the app and sends the load itself


@dataclass(frozen=True)
class MonitoredApp:
    """An app in ``file`` with the numbers of the lines that block; none if its loop is free."""

    file: Path
    path: str
    lines: frozenset[int]

    @property
    def name(self) -> str:
        return self.file.stem


@dataclass
class Score:
    """What one tool did in one situation: names of apps."""

    found: list[str] = field(default_factory=list)
    right_line: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)


def apps() -> tuple[list[MonitoredApp], list[MonitoredApp]]:
    """Return the apps that block, and those whose loop is free."""
    blocking = [_app(HIDDEN / "blocking" / f"{name}.py", "/quotes/tea", culprit) for name, culprit in CULPRITS.items()]
    blocking += [
        _app(file, "/work?name=a.example", MARK) for file in sorted((HERE / "monitored/blocking").glob("*.py"))
    ]
    free = [_app(file, "/quotes/tea", None) for file in sorted((HIDDEN / "honest").glob("*.py"))]
    free += [_app(file, "/work", None) for file in sorted((HERE / "monitored/free").glob("*.py"))]
    return blocking, free


def _app(file: Path, path: str, culprit: str | None) -> MonitoredApp:
    numbers = [
        n for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if culprit and culprit in line
    ]
    assert bool(numbers) == bool(culprit), f"{file} has no line with {culprit!r}"
    return MonitoredApp(file, path, frozenset(numbers))


def main(with_hogs: int, only: Sequence[str] = (), page: Path | None = None) -> int:
    """Print the table of all tools that are installed, idle and beside ``with_hogs`` CPU-bound processes; return 0.

    If there is a ``page``, also write the table between its `MARKS`.
    """
    if page:
        record(page)
    every = [tool for tool in (*TOOLS, AUDIT) if tool != "none"]
    unknown = set(only) - set(every)
    if unknown:
        raise UserFacingError(f"There's no tool {', '.join(sorted(unknown))}. The tools are: {', '.join(every)}.")
    wanted = [tool for tool in every if not only or tool in only]
    tools = [tool for tool in wanted if available(tool)]
    for tool in wanted:
        if tool not in tools:
            print(f"{tool} isn't installed here, and is left out.", flush=True)
    scores: dict[tuple[str, int], Score] = {}
    with upstream() as address:
        for count in dict.fromkeys((0, with_hogs)):
            with hogs(count):
                for tool in tools:
                    scores[tool, count] = score = measure(tool, address, AT_A_TIME_BUSY if count else 1)
                    print(f"{tool} beside {count} processes: {score}", flush=True)
        costs = overhead([tool for tool in tools if tool != AUDIT])
    text = "\n".join([*table(tools, with_hogs, scores, costs), "", *what_went_wrong(tools, scores), "", machine(tools)])
    print(text)
    if page:
        record(page, text)
    return 0


def available(tool: str) -> bool:
    """Return whether a tool is installed."""
    if tool == "py-spy":
        return py_spy() is not None
    return tool in ("debug mode", "heartbeat", MONITOR, AUDIT) or importlib.util.find_spec(tool) is not None


def py_spy() -> str | None:
    """Return the path of py-spy, of this environment if it has one."""
    return shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")


def measure(tool: str, address: str, at_a_time: int = 1) -> Score:
    """Serve every app under a tool, ``at_a_time`` of them at the same time, and return what it reported."""
    score = Score()
    blocking, free = apps()
    with ThreadPoolExecutor(at_a_time) as pool:
        every = list(pool.map(lambda app: reports(tool, app, address), [*blocking, *free]))
    for app, said in zip(blocking, every, strict=False):
        (score.found if said else score.missed).append(app.name)
        if names_line(said, app):
            score.right_line.append(app.name)
    score.false_alarms = [app.name for app, said in zip(free, every[len(blocking) :], strict=True) if said]
    return score


def names_line(said: Sequence[str], app: MonitoredApp) -> bool:
    """Return whether any report names a line of ``app`` that blocks, as ``file.py:7`` or ``file.py", line 7``."""
    found = re.findall(rf"{re.escape(app.file.name)}(?:[\"']?, line |:|[\"'], )(\d+)", "\n".join(said))
    return any(int(number) in app.lines for number in found)


def reports(tool: str, app: MonitoredApp, address: str) -> list[str]:
    """Serve ``app`` under ``tool``, send the load, and return what the tool reported during it."""
    if tool == AUDIT:
        return audited(app, address)
    with served(tool, app.file, address) as (process, port, said):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=READY_LIMIT_S) as client:
            client.get(app.path)
            client.get("/-/watch")
        if tool == "py-spy":
            shares = profile_lines(profiled(process.pid, lambda: asyncio.run(_load(port, app.path))), app.file)
            return [line for line, share in shares.items() if share >= PY_SPY_SHARE]
        asyncio.run(_load(port, app.path))
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/-/done", trust_env=False, timeout=LIMIT_S / 4)
        return list(said)


def audited(app: MonitoredApp, address: str) -> list[str]:
    """Return what freeloop's audit prints about an app if a block is over the budget. It sends a load of its own."""
    words = ["--app-dir", str(app.file.parent), "--requests", str(ROUNDS * TOGETHER), "--seconds", "0.2"]
    words += ["--limit", f"{LIMIT_S / 4:g}", "--max-block", f"{1000 * THRESHOLD_S:.0f}ms"]
    words += ["--only", "/quotes/{token}" if app.path.startswith("/quotes") else "/work"]
    command = [sys.executable, "-m", "freeloop", "audit", f"{app.file.stem}:app", *words]
    variables = {**with_packages(), "UPSTREAM_URL": address}
    done = subprocess.run(command, env=variables, cwd=app.file.parent, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise UserFacingError(f"The audit of {app.file.name} can't run: {done.stderr or done.stdout}")
    return [done.stdout] if done.returncode else []


@contextlib.contextmanager
def served(tool: str, file: Path, address: str) -> Iterator[tuple[ManagedProcess, int, list[str]]]:
    """Serve the app in ``file`` under a tool; yield its process, its port, and the list that gets what the tool reports."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = ManagedProcess(
            [sys.executable, "-m", "autograder.benchmarks.monitored_app", tool, str(THRESHOLD_S), str(file), str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env={**with_packages(), "UPSTREAM_URL": address},
            cwd=str(paths.ROOT),
        )  # fmt: skip
        port = listener.getsockname()[1]
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(map(json.loads, process.lines())), daemon=True)
    reader.start()
    try:
        yield process, port, said
    finally:
        process.end()
        reader.join(10)
        process.close()


def with_packages() -> Mapping[str, str]:
    """Return this process's variables, with freeloop and this package on the import path."""
    path = [str(paths.ROOT), str(paths.TAKEHOME), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


async def _load(port: int, path: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=LIMIT_S) as client:
        for _ in range(ROUNDS):
            done = await asyncio.gather(*(client.get(path) for _ in range(TOGETHER)), return_exceptions=True)
            if any(isinstance(response, httpx.TimeoutException) for response in done):
                return
    await asyncio.sleep(SETTLE_S)


def profiled(pid: int, load: Callable[[], object]) -> str:
    """Let py-spy sample a process while ``load`` runs; return the stacks, each with its number of samples."""
    program = py_spy()
    assert program
    with tempfile.TemporaryDirectory(prefix="course-profile-") as folder:
        file = Path(folder) / "stacks.txt"
        words = [program, "record", "--pid", str(pid), "--rate", str(PY_SPY_RATE)]
        words += ["--format", "raw", "--idle", "--threads"]
        sampler = ManagedProcess([*words, "--output", str(file)])
        try:
            time.sleep(PY_SPY_START_S)
            load()
            os.kill(sampler.pid, signal.SIGINT)
            sampler.wait(LIMIT_S)
        finally:
            sampler.end()
            sampler.close()
        return file.read_text(encoding="utf-8", errors="replace")


def profile_lines(stacks: str, file: Path) -> dict[str, float]:
    """Return the innermost lines of ``file`` in the main thread, with their shares of that thread's samples."""
    samples: collections.Counter[str] = collections.Counter()
    total = 0
    for stack, _, count in (line.rpartition(" ") for line in stacks.splitlines()):
        if "MainThread" not in stack:
            continue
        total += int(count)
        ours = re.findall(rf"{re.escape(file.name)}:(\d+)", stack)
        if ours:
            samples[f"{file.name}:{ours[-1]}"] += int(count)
    return {line: count / total for line, count in samples.items()}


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """Serve the HTTP service that exercise 12's apps call; yield its address. It replies after `WAIT_S`."""

    class Item(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(WAIT_S)
            body = json.dumps({"item": self.path.rpartition("/")[2], "price": 3}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            with contextlib.suppress(OSError):  # the app that asked has been ended
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Item) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def overhead(tools: Sequence[str]) -> dict[str, float]:
    """Return the CPU seconds that a request of a small app takes under each tool, as a ratio to those without a tool.

    All servers run all the time, and slices of load alternate between them. py-spy runs in a process of its own, whose CPU
    time isn't counted, and pauses the app for each sample.
    """
    sys.path.append(str(paths.TAKEHOME))
    from freeloop.monitor.overhead import Cost, load_slice

    order = ["none", *tools]
    costs: dict[str, list[float]] = {tool: [] for tool in order}
    with contextlib.ExitStack() as stack:
        servers = {}
        for tool in order:
            process, port, _ = stack.enter_context(served(tool, HERE / "monitored" / "quick.py", ""))
            httpx.get(f"http://127.0.0.1:{port}/work", trust_env=False, timeout=READY_LIMIT_S)
            httpx.get(f"http://127.0.0.1:{port}/-/watch", trust_env=False, timeout=LIMIT_S)
            servers[tool] = process.pid, port
        for number in range(SLICES + 1):
            for tool in order[:: 1 if number % 2 else -1]:
                pid, port = servers[tool]
                cost = Cost()

                def load(port: int = port, pid: int = pid, cost: Cost = cost) -> None:
                    asyncio.run(load_slice(port, "/work", SLICE_S, cost, pid))

                if tool == "py-spy":
                    profiled(pid, load)
                else:
                    load()
                if number:  # the first slice warms up
                    costs[tool].append(cost.cpu_s / cost.requests)
    plain = costs["none"]
    return {tool: statistics.median(new / old for new, old in zip(costs[tool], plain, strict=True)) for tool in tools}


def table(
    tools: Sequence[str], with_hogs: int, scores: Mapping[tuple[str, int], Score], costs: Mapping[str, float]
) -> Iterator[str]:
    """Yield the lines of the table, as Markdown."""
    blocking, free = apps()
    beside = f" / beside {with_hogs}" if with_hogs else ""
    yield (
        f"| tool | found, of {len(blocking)}{beside} | right line{beside} | false alarms, of {len(free)}{beside} "
        "| CPU a request, ratio |"
    )
    yield "|---|---|---|---|---|"
    for tool in tools:
        both = [scores[tool, count] for count in dict.fromkeys((0, with_hogs))]
        cells = [
            " / ".join(str(len(getattr(score, name))) for score in both)
            for name in ("found", "right_line", "false_alarms")
        ]
        yield f"| {tool} | {' | '.join(cells)} | {f'{costs[tool]:.2f}' if tool in costs else ''} |"


def what_went_wrong(tools: Sequence[str], scores: Mapping[tuple[str, int], Score]) -> Iterator[str]:
    """Yield a line for each tool that missed an app, or accused one whose loop is free, with the apps' names."""
    for tool in tools:
        said = []
        for (name, count), score in scores.items():
            if name == tool:
                where = f"beside {count}" if count else "idle"
                said += [f"missed {', '.join(f'`{app}`' for app in score.missed)} ({where})"] if score.missed else []
                accused = ", ".join(f"`{app}`" for app in score.false_alarms)
                said += [f"accused {accused} ({where})"] if accused else []
        if said:
            yield f"- **{tool}** {'; '.join(said)}"


def machine(tools: Sequence[str]) -> str:
    """Return the day, the machine and the versions of the tools, as a sentence."""
    versions = [
        f"{tool} {importlib.metadata.version(tool)}"
        for tool in tools
        if importlib.util.find_spec(tool.replace("-", "_")) or tool == "py-spy"
    ]
    return (
        f"Measured on {datetime.date.today():%d %B %Y} with {', '.join(versions)}, CPython {platform.python_version()}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}."
    )


def record(page: Path, text: str | None = None) -> None:
    """Replace what is between the marks of a page, or only check that it has them. Raise `UserFacingError` if not."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        raise UserFacingError(f"{page} needs the two lines {MARKS[0]} and {MARKS[1]}, for the table.")
    if text is not None:
        page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
