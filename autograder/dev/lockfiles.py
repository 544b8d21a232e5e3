"""``./course lock``: make the lock files from pyproject.toml with uv, or check them against it offline."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from autograder.bootstrap.environment import ROOT, Environment, clean_environment
from autograder.errors import SetupError

OLDEST = "3.11"
# The dependency group of each lock file (None: the project's dependencies), in the order in which they're made. test.txt
# uses the versions of course.txt.
LOCKS = {"uv.txt": "installer", "course.txt": None, "test.txt": "test"}

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
)
KNOWN = {("aarch64-pc-windows-msvc", "3.11")}  # PyYAML has no wheel for it and won't get one
# A dependency of blockbuster that is published as source only. It's pure Python, so building it needs no compiler.
SOURCE_ONLY = "forbiddenfruit"


def inputs(project: dict[str, Any], group: str | None) -> str:
    """Return a digest of a lock file's inputs. The lock file contains it, so a change is noticed offline."""
    wanted = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    text = json.dumps([project["project"]["requires-python"], sorted(wanted)])
    return hashlib.sha256(text.encode()).hexdigest()


def pins(text: str) -> dict[str, set[str]]:
    """Return the versions that a lock file pins, by package (more than one if they differ between Pythons)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", text, re.M):
        found.setdefault(name.lower(), set()).add(version)
    return found


def problems(root: Path = ROOT) -> list[str]:
    """Return a message for each disagreement between pyproject.toml, the lock files and environment.yml."""
    found = []
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    texts = {}
    for name, group in LOCKS.items():
        path = root / "lock" / name
        texts[name] = text = path.read_text(encoding="utf-8") if path.exists() else ""
        if f"# inputs: {inputs(project, group)}\n" not in text:
            found.append(f"lock/{name} was not made from this pyproject.toml")
        if re.search(r"https?://|file:|^-", text, re.M):
            found.append(f"lock/{name} names an index or a path")
        unhashed = [
            block.split("==")[0]
            for block in re.split(r"\n(?=\S)", text)
            if "==" in block.split("\n")[0] and "--hash=" not in block
        ]
        if unhashed:
            found.append(f"lock/{name} has no hash for {', '.join(unhashed)}")
    course, test = pins(texts["course.txt"]), pins(texts["test.txt"])
    for name in sorted(course.keys() & test.keys()):
        if course[name] != test[name]:
            found.append(f"lock/course.txt and lock/test.txt disagree about {name}")
    if OLDEST not in project["project"]["requires-python"]:
        found.append(f"pyproject.toml no longer starts at Python {OLDEST}, the locks do")
    return found + conda_problems(root, project)


def conda_problems(root: Path, project: dict[str, Any]) -> list[str]:
    """Return a message for each error in environment.yml: it must install lock/course.txt with a supported Python."""
    found = []
    text = (root / "environment.yml").read_text(encoding="utf-8")
    python = re.search(r"^  - python=(\d+)\.(\d+)$", text, re.M)
    match = re.search(r">=(\d+)\.(\d+)", project["project"]["requires-python"])
    oldest = tuple(map(int, match.groups())) if match else (0, 0)
    if not python or tuple(map(int, python.groups())) < oldest:
        found.append("environment.yml does not pin a Python that pyproject.toml allows")
    if not re.search(r"^      - -r lock/course\.txt$", text, re.M):
        found.append("environment.yml does not install lock/course.txt")
    return found


def write(upgrade: bool, root: Path = ROOT) -> None:
    """Write the lock files. Pinned versions stay, unless ``upgrade`` is set or they no longer satisfy the requirements.

    Raise `SetupError` if there's no uv, or uv fails.
    """
    env = Environment(root)
    uv = env.bin / ("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        raise SetupError(f"uv makes the lock files, and it isn't in {env.bin}: run this on a machine that uv supports.")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    for name, group in LOCKS.items():
        path = root / "lock" / name
        command: list[str | Path] = [
            uv,
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--generate-hashes",
            "--python-version",
            OLDEST,
        ]
        # The lock files must not name a mirror that's configured on this machine.
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "-o", path]
        command += ["--only-binary", ":all:", "--no-binary", SOURCE_ONLY]
        command += ["--upgrade"] if upgrade else []
        command += ["--group", group] if group else ["pyproject.toml"]
        command += ["--constraints", "lock/course.txt"] if group == "test" else []
        if subprocess.call(command, cwd=root, env=clean_environment(env)):
            raise SetupError(f"uv couldn't make lock/{name}: see its message above.")
        text = path.read_text(encoding="utf-8")
        head = f"# Made by ./course lock from pyproject.toml; do not edit.\n# inputs: {inputs(project, group)}\n"
        path.write_text(head + re.sub(r"\A(#.*\n)+", "", text), encoding="utf-8", newline="\n")
        print(f"lock/{name}: {len(pins(text))} packages")


def without_wheels(root: Path = ROOT) -> list[str]:
    """Return a message for each platform and Python that lacks a wheel of a locked package. This only queries the index."""
    env = Environment(root)
    found = []
    for platform in PLATFORMS:
        for python in PYTHONS:
            if (platform, python) in KNOWN:
                continue
            command: list[str | Path] = [
                env.bin / "uv",
                "pip",
                "install",
                "--quiet",
                "--dry-run",
                "--target",
                os.devnull + "-none",
                "--no-deps",
            ]
            command += [
                "--only-binary",
                ":all:",
                "--no-binary",
                SOURCE_ONLY,
                "--python-platform",
                platform,
                "--python-version",
                python,
            ]
            for name in LOCKS:
                command += ["-r", f"lock/{name}"]
            done = subprocess.run(command, cwd=root, env=clean_environment(env), capture_output=True, text=True)
            if done.returncode:
                missing = re.search(r"Because (\S+) has no", done.stderr)
                found.append(f"{platform}, Python {python}: no wheel of {missing[1] if missing else 'something'}")
    return found


def main(check: bool, upgrade: bool) -> int:
    """Write the lock files, or with ``check`` only compare them, and print what disagrees. Return an exit code."""
    if not check:
        write(upgrade)
    found = problems() + ([] if check else without_wheels())
    for problem in found:
        print(problem, file=sys.stderr)
    if check:
        print("Run ./course lock." if found else "pyproject.toml, the locks and environment.yml agree.")
    return 1 if found else 0
