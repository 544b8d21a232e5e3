"""Runs every tool against the suspects, idle and under load, and writes the table of the docs.

``python -m autograder.benchmarks.loop_tools.compare --hogs 16 --write docs/loop_tools.md``
"""

from __future__ import annotations

import argparse
import http.client
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from autograder import paths
from autograder.benchmarks.cpu_load import hogs

HERE = Path(__file__).resolve().parent
TOOLS = ("debug", "blockbuster", "pyleak", "aiocop", "heartbeat", "py-spy", "freeloop")
CORRECT = ("/awaits", "/to_thread", "/def", "/steps", "/async_subprocess", "/quick")
SETTLE_S = 0.3  # s after a response in which a tool may still complain about it
SPY_RATE = 50  # samples of py-spy a second
SPY_SAMPLES = 5  # samples at one line of the app that count as a complaint: 100 ms, as for the other tools
LOAD_REQUESTS = 200  # requests whose CPU time is measured


@dataclass
class Result:
    """What one tool did in one condition: paths found, those with the right line, and alarms among calls of correct endpoints."""

    found: set[str] = field(default_factory=set)
    right: set[str] = field(default_factory=set)
    alarms: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    cpu_s: float = 0.0  # of the server for one request of ``/quick``


def blocking_lines() -> dict[str, int]:
    """Return the marked line of each blocking endpoint."""
    lines = (HERE / "suspects.py").read_text().splitlines()
    return {match[1]: number for number, line in enumerate(lines, 1) if (match := re.search(r"# blocks: (\S+)$", line))}


class Slow(BaseHTTPRequestHandler):
    """An upstream that takes its time."""

    def do_GET(self) -> None:
        """Reply after 0.3 s."""
        time.sleep(0.3)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Print nothing."""


class Served:
    """The suspects, served with a tool."""

    def __init__(self, tool: str, slow_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        environment = {**os.environ, "SLOW_URL": slow_url, "TAKEHOME": str(paths.TAKEHOME)}
        command = [sys.executable, str(HERE / "tool_server.py"), tool, str(self.port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=environment, cwd=HERE, text=True, **pipes)  # type: ignore[call-overload]
        self._marks = 0
        self._lines: list[dict[str, object]] = []
        threading.Thread(target=self._read, daemon=True).start()
        while self.process.poll() is None:
            try:
                self.call("/quick")
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{tool} can't be used here")

    def call(self, path: str) -> None:
        """Send one request and wait for its response, or for the end of its connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except (http.client.HTTPException, ConnectionResetError):
            pass  # a tool that raises leaves no response
        finally:
            connection.close()

    def complaints(self) -> list[str]:
        """Return what the tool has said since the last call of this."""
        time.sleep(SETTLE_S)
        self._marks += 1
        self.call(f"/mark?n={self._marks}")
        while {"mark": self._marks} not in self._lines:
            time.sleep(0.01)
        end = self._lines.index({"mark": self._marks})
        said, self._lines = self._lines[:end], self._lines[end + 1 :]
        return [str(line["says"]) for line in said]

    def cpu(self) -> float:
        """Return the CPU seconds that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        for line in self.process.stdout:  # type: ignore[union-attr]
            self._lines.append(json.loads(line))


def spied(served: Served, path: str) -> list[str]:
    """Call a path while py-spy samples, and return the lines of the suspects at which the loop's thread was seen for long."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "stacks")
        words = [
            "py-spy",
            "record",
            "-p",
            str(served.process.pid),
            "-r",
            str(SPY_RATE),
            "-d",
            "2",
            "--idle",
            "-f",
            "raw",
            "-t",
        ]
        recorder = subprocess.Popen(
            [*words, "-o", str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert recorder.stdout is not None
        for line in recorder.stdout:
            if "Sampling process" in line:
                break
        served.call(path)
        recorder.communicate()
        seen: Counter[str] = Counter()
        for line in out.read_text().splitlines() if out.exists() else ():
            stack, _, count = line.rpartition(" ")
            if "MainThread" in stack:
                found = re.findall(r"suspects\.py:(\d+)", stack)
                seen.update({f"suspects.py:{number}": int(count) for number in found[:1]})
    return [place for place, count in seen.items() if count >= SPY_SAMPLES]


def run(tool: str, slow_url: str, rounds: int) -> Result:
    """Return what a tool finds and what it accuses wrongly."""
    result, lines = Result(), blocking_lines()
    served = Served("none" if tool == "py-spy" else tool, slow_url)
    try:
        for path in [*lines, *CORRECT]:
            served.call(path)  # first-request costs aren't what this is about
        served.complaints()

        def look(path: str) -> list[str]:
            if tool == "py-spy":
                return spied(served, path)
            served.call(path)
            return served.complaints()

        for path, number in lines.items():
            said = [look(path) for _ in range(2)]
            if all(said):
                result.found.add(path)
                text = "\n".join(said[1])
                if re.search(rf"suspects\.py(?::|\", line ){number}\b", text):
                    result.right.add(path)
        for _ in range(rounds):
            for path in CORRECT:
                result.calls += 1
                result.alarms[path] += bool(look(path))
        before = served.cpu()
        for _ in range(LOAD_REQUESTS):
            served.call("/quick")
        result.cpu_s = (served.cpu() - before) / LOAD_REQUESTS
    finally:
        served.stop()
    return result


@contextmanager
def slow_upstream() -> Iterator[str]:
    """Yield the address of an upstream that takes 0.3 s."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def missing(tool: str) -> bool:
    """True if a tool isn't installed."""
    if tool == "py-spy":
        return shutil.which("py-spy") is None
    return tool in ("blockbuster", "pyleak", "aiocop") and importlib.util.find_spec(tool) is None


def version(tool: str) -> str:
    """Return a tool's name and version."""
    if tool in ("debug", "heartbeat"):
        return {"debug": "asyncio debug mode", "heartbeat": "a heartbeat task"}[tool]
    return tool if tool == "freeloop" else f"{tool} {importlib.metadata.version(tool)}"


def table(results: dict[str, dict[str, Result]], base: float) -> list[str]:
    """Return a Markdown table: a row for each tool, and for each condition what it found and accused."""
    conditions = list(next(iter(results.values())))
    head = ["tool"]
    for condition in conditions:
        head += [f"found, {condition}", "right line", "false alarms"]
    rows = ["| " + " | ".join([*head, "CPU for a request"]) + " |", "|---" * (len(head) + 1) + "|"]
    total = len(blocking_lines())
    for tool, found in results.items():
        cells = [version(tool)]
        for condition in conditions:
            one = found[condition]
            cells += [f"{len(one.found)} of {total}", str(len(one.right)), f"{sum(one.alarms.values())} of {one.calls}"]
        rows.append("| " + " | ".join([*cells, f"× {found[conditions[0]].cpu_s / base:.2f}"]) + " |")
    return rows


def details(results: dict[str, dict[str, Result]]) -> list[str]:
    """Return a Markdown table of which tool found which endpoint while no load was added."""
    condition = next(iter(next(iter(results.values()))))
    rows = ["| endpoint | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    for path in blocking_lines():
        cells = []
        for found in results.values():
            one = found[condition]
            cells.append("line" if path in one.right else "found" if path in one.found else "–")
        rows.append(f"| `{path}` | " + " | ".join(cells) + " |")
    return rows


def better(results: dict[str, dict[str, Result]]) -> list[str]:
    """Return a sentence for each respect in which another tool did better than freeloop in this run."""
    ours, said = results.get("freeloop"), []
    for tool, theirs in results.items() if ours else ():
        for condition, one in theirs.items():
            own = ours[condition]  # type: ignore[index]
            if more := sorted(one.found - own.found):
                said.append(
                    f"- {version(tool)} found {', '.join(f'`{path}`' for path in more)} ({condition}), and freeloop didn't."
                )
            if sum(one.alarms.values()) < sum(own.alarms.values()):
                said.append(f"- {version(tool)} had fewer false alarms ({condition}).")
        if one.cpu_s < own.cpu_s and tool != "freeloop":
            said.append(f"- {version(tool)} cost less CPU for a request.")
    return list(dict.fromkeys(said)) or ["- In this run, in none of these respects."]


def main(words: list[str] | None = None) -> int:
    """Run the comparison and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--hogs", type=int, default=16, help="CPU-bound processes of the second condition (default: 16)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="calls of each correct endpoint (default: 5)")
    parser.add_argument("--tools", nargs="+", default=TOOLS, choices=TOOLS)
    parser.add_argument("--write", type=Path, help="write the table into this page, between its two marks")
    options = parser.parse_args(words)
    results: dict[str, dict[str, Result]] = {}
    load = os.getloadavg()[0]
    with slow_upstream() as url:
        base = run("none", url, 0).cpu_s
        for tool in options.tools:
            if missing(tool):
                print(f"{tool} isn't installed", file=sys.stderr)
                continue
            results[tool] = {"no load added": run(tool, url, options.rounds)}
            with hogs(options.hogs):
                results[tool][f"{options.hogs} CPU-bound processes"] = run(tool, url, options.rounds)
            print(tool, results[tool], file=sys.stderr)
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, load average {load:.0f} at the start"
    lines = [
        f"Measured on {time.strftime('%-d %B %Y')}: {machine}.",
        "",
        *table(results, base),
        "",
        *details(results),
        "",
    ]
    lines += ["Where another tool did better than freeloop in this run:", "", *better(results)]
    text = "\n".join(lines)
    if options.write:
        begin, end = "<!-- measured -->", "<!-- end -->"
        page = options.write.read_text(encoding="utf-8")
        before, after = page.partition(begin)[0], page.partition(end)[2]
        options.write.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
