"""Install locked packages into an environment: with uv, or with pip where uv doesn't work.

Only the standard library: the environment that this fills doesn't exist yet.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from autograder import errors
from autograder.errors import SetupError

HEARTBEAT_S = 5  # the longest time without a line about how far a step is
ESTIMATE_SHARES = 0.1, 0.95  # of a step: with less done an estimate is a guess, and the last files may be the largest

Command = list[Any]  # the parts of a command, strings or paths
Progress = tuple[str, float | None]  # how far a step is, in words, and its share of the whole if that is known


def _show_nothing(line: str) -> str | None:
    return None


class Failed(Exception):
    """A step that failed; ``output`` is what it printed."""

    def __init__(self, what: str, output: str):
        super().__init__(what)
        self.what, self.output = what, output


class Runner:
    """Runs the steps of a set-up; all that they print goes to the log, and a little of it to the user."""

    def __init__(self, log: IO[str], say: Callable[[str], None], guard: int | None, variables: Mapping[str, str]):
        self.log, self.say, self.guard, self.variables = log, say, guard, variables
        self._last_line = ""

    def step(
        self,
        command: Command,
        what: str,
        extra: Mapping[str, str] | None = None,
        show: Callable[[str], str | None] = _show_nothing,
        how_far: Callable[[], Progress] = lambda: ("", None),
    ) -> str:
        """Run one command to its end and return its output; raise `Failed` if it fails.

        ``show`` gets each line and returns what the user is to see of it. ``how_far`` is asked when the user has seen
        nothing for `HEARTBEAT_S` seconds.
        """
        self.log.write("$ " + " ".join(map(str, command)) + "\n")
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**self.variables, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # The lock on .course is held for as long as anything that we started still works in it.
            pass_fds=() if self.guard is None else (self.guard,),
        )
        try:
            lines = self._follow(process, what, show, how_far)
            code = process.wait()
        except BaseException:
            # Ctrl-C reaches the child too; make sure that it has ended before the lock is released.
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        if code:
            raise Failed(what, "\n".join(lines))
        return "\n".join(lines)

    def python_step(self, command: Command, what: str) -> None:
        """Run a step that has no substitute; raise `SetupError` if it fails."""
        try:
            self.step(command, what)
        except Failed as failed:
            raise self.give_up(failed) from None

    def give_up(self, failed: Failed) -> SetupError:
        """The error that ends the set-up after a failed step, with what to do about it."""
        sentence = errors.recognise(failed.output)
        if sentence is None:
            last = [line for line in failed.output.splitlines() if line.strip()][-1:] or ["it printed nothing"]
            sentence = (
                f"The set-up stopped at {failed.what} ({last[0].strip()}); its whole output is in {self.log.name}."
            )
        return SetupError(sentence)

    def last_line(self) -> Progress:
        """How far a step is that prints "N of M ..." itself."""
        match = re.match(r"(\d+) of (\d+) ", self._last_line)
        return self._last_line, int(match[1]) / int(match[2]) if match else None

    def _follow(
        self,
        process: subprocess.Popen[str],
        what: str,
        show: Callable[[str], str | None],
        how_far: Callable[[], Progress],
    ) -> list[str]:
        """Read what a step prints until it ends, with a line about how far it is at least every `HEARTBEAT_S`."""
        lines: list[str] = []
        arriving: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._last_line = ""

        def read() -> None:
            for line in process.stdout or ():
                arriving.put(line)
            arriving.put(None)

        threading.Thread(target=read, daemon=True).start()
        began = said = time.monotonic()
        while True:
            try:
                line = arriving.get(timeout=max(0.0, said + HEARTBEAT_S - time.monotonic()))
            except queue.Empty:
                said = time.monotonic()
                self.say("    " + describe(what, said - began, *how_far()))
                continue
            if line is None:
                return lines
            self.log.write(line)
            lines.append(line.rstrip())
            self._last_line = line.strip()
            shown = show(line.strip())
            if shown:
                said = time.monotonic()
                self.say(f"    {shown}")


def describe(what: str, elapsed_s: float, text: str, share: float | None) -> str:
    """A line of progress: the step, how far it is, and an estimate of the rest if there is something to base it on."""
    line = f"{what}, {elapsed_s:.0f} s so far"
    if text:
        line += f": {text}"
    if share is not None and ESTIMATE_SHARES[0] <= share <= ESTIMATE_SHARES[1]:
        line += f", about {elapsed_s / share - elapsed_s:.0f} s more at this speed"
    return line


def count(locks: list[Path]) -> int:
    """How many packages these locks name (a package with two versions for two Pythons is one)."""
    names = set()
    for path in locks:
        names.update(re.findall(r"^([A-Za-z0-9][\w.-]*)==", path.read_text(encoding="utf-8"), re.M))
    return len(names)


class Pip:
    """A pip that works on an environment: that of the Python which runs this, or else the environment's own.

    A pip can be run by another Python than its own, by its folder. That saves the seconds which it takes to unpack
    and compile one.
    """

    def __init__(self, run: Runner, python: Path):
        self.run, self.python = run, python
        spec = importlib.util.find_spec("pip")
        self.command: Command | None = [python, Path(spec.origin).parent] if spec and spec.origin else None

    def step(
        self,
        arguments: Command,
        what: str,
        show: Callable[[str], str | None] = _show_nothing,
        how_far: Callable[[], Progress] = lambda: ("", None),
    ) -> str:
        """Run pip and return its output; raise `Failed` if it fails."""
        if self.command is not None:
            try:
                return self.run.step([*self.command, *arguments], what, pip_variables(), show, how_far)
            except Failed as failed:
                if errors.recognise(failed.output) is not None:
                    raise
        return self.own([*arguments], what, show, how_far)

    def own(
        self,
        arguments: Command,
        what: str,
        show: Callable[[str], str | None] = _show_nothing,
        how_far: Callable[[], Progress] = lambda: ("", None),
    ) -> str:
        """Run the environment's own pip, installing it first."""
        self.run.python_step([self.python, "-I", "-m", "ensurepip", "--default-pip"], "installing pip")
        self.command = None
        return self.run.step([self.python, "-m", "pip", *arguments], what, pip_variables(), show, how_far)


def fetch_uv(run: Runner, python: Path, lock: Path) -> Pip | None:
    """Install uv with pip; return that pip, or None if there is no uv for this machine."""
    pip = Pip(run, python)
    # --ignore-installed: a uv next to the pip that we borrow isn't in our environment.
    command = ["install", "--require-hashes", "--no-deps", "--ignore-installed", "--only-binary", ":all:", "-r", lock]
    try:
        pip.step(command, "fetching the installer")
    except Failed as failed:
        if errors.recognise(failed.output) is not None:
            raise run.give_up(failed) from None
        run.say("    uv isn't available here: going on with pip, which takes longer")
        return None
    return pip


def install(run: Runner, python: Path, bin_folder: Path, locks: list[Path], pip: Pip | None, site: Path) -> None:
    """Install what the locks name, the first of which is uv's own; with uv also remove what they don't name.

    ``pip`` is the one that installed uv, or None where there is no uv; ``site`` is the environment's site-packages.
    """
    if pip is not None:
        uv = bin_folder / ("uv.exe" if os.name == "nt" else "uv")
        command = [uv, "pip", "sync", "--python", python, "--require-hashes", *locks]
        progress = UvProgress(site)
        try:
            run.step(command, "installing", uv_variables(pip), progress.show, progress.how_far)
            return
        except Failed as failed:
            # A full disk or a wrong hash is no better with pip. Anything else may be: proxies, certificates and
            # mirrors are configured for pip on many machines, and for uv on few.
            if errors.recognise(failed.output) in (errors.DISK, errors.HASHES):
                raise run.give_up(failed) from None
            run.say("    uv didn't work here: going on with pip, which takes longer")
    arguments: Command = ["install", "--require-hashes", "--no-compile"]
    for lock in locks if pip is not None else locks[1:]:
        arguments += ["-r", lock]
    shown = PipProgress(count(locks))
    try:
        Pip(run, python).own(arguments, "installing", shown.show, shown.how_far)
    except Failed as failed:
        if "(from versions: none)" in failed.output and errors.recognise(failed.output) is None:
            # All that pip says of an index that it could not reach, when it was told not to retry.
            raise SetupError(errors.NETWORK) from None
        raise run.give_up(failed) from None


class UvProgress:
    """How far ``uv pip sync`` is: megabytes while it downloads, packages while it unpacks them into ``site``."""

    def __init__(self, site: Path):
        self.site = site
        self.packages = 0
        self.sizes_mb: dict[str, float] = {}  # of the downloads that are large enough for uv to name them
        self.done: set[str] = set()
        self.prepared = False

    def show(self, line: str) -> str | None:
        """Take in one line of uv's output; return it if the user is to see it."""
        if match := re.match(r"Resolved (\d+) packages", line):
            self.packages = int(match[1])
        elif match := re.match(r"Downloading (\S+) \(([\d.]+)(K|M|G)iB\)", line):
            self.sizes_mb[match[1]] = float(match[2]) * {"K": 2**-10, "M": 1.0, "G": 2.0**10}[match[3]]
        elif match := re.match(r"Downloaded (\S+)", line):
            self.done.add(match[1])
        self.prepared = self.prepared or line.startswith("Prepared ")
        return line if line.split(" ")[0] in ("Prepared", "Installed") else None

    def how_far(self) -> Progress:
        """The words and the share of the step that uv is in."""
        if self.sizes_mb and not self.prepared:
            total = sum(self.sizes_mb.values())
            done = sum(size for name, size in self.sizes_mb.items() if name in self.done)
            return f"{done:.0f} of {total:.0f} MB downloaded", done / total
        there = sum(1 for _ in self.site.glob("*.dist-info"))
        if not self.packages or there <= 1:  # uv itself
            return "looking for packages", None
        if there > self.packages:
            return "removing packages that are no longer needed", None
        return f"{there} of {self.packages} packages unpacked", there / self.packages


class PipProgress:
    """How far ``pip install`` is: packages found, of ``packages`` that the locks name."""

    def __init__(self, packages: int):
        self.packages, self.found = packages, 0

    def show(self, line: str) -> str | None:
        """Take in one line of pip's output; return it if the user is to see it."""
        self.found += line.startswith("Collecting ")
        return line if line.startswith("Installing collected") and len(line) < 80 else None

    def how_far(self) -> Progress:
        """The words and the share; pip installs when it has found all of them, and says nothing while it does."""
        return f"{self.found} of about {self.packages} packages found", None


def pip_variables() -> dict[str, str]:
    """Settings for pip that make it quiet and keep it from asking."""
    # PIP_USER=0: a user's own setting would send the packages elsewhere.
    variables = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0", "PIP_PROGRESS_BAR": "off"}
    if "PIP_RETRIES" not in os.environ:
        variables["PIP_RETRIES"] = "3"
    return variables


def uv_variables(pip: Pip) -> dict[str, str]:
    """Settings for uv: this machine's indexes as they are configured for pip. What the user told uv itself stays."""
    variables = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    if "UV_CACHE_DIR" not in os.environ and not os.access(Path.home(), os.W_OK):
        # Containers run as any user: uv must work in a home that can't be written to.
        variables["UV_CACHE_DIR"] = str(pip.python.parent.parent.parent / "uv-cache")
    try:
        listed = pip.step(["config", "list"], "reading pip's configuration")
    except Failed:
        return variables
    configured = translate_pip_config(listed)
    variables.update({key: value for key, value in configured.items() if key not in os.environ})
    return variables


def translate_pip_config(listed: str) -> dict[str, str]:
    """``pip config list`` as variables for uv. Addresses may contain passwords, so they never become arguments."""
    settings: dict[str, dict[str, str]] = {}
    for line in listed.splitlines():
        match = re.fullmatch(r"(global|install|:env:)\.([\w-]+)='(.*)'", line.strip())
        if match:
            settings.setdefault(match[2], {})[match[1]] = match[3]
    chosen = {key: value.get(":env:") or value.get("install") or value.get("global") for key, value in settings.items()}
    words = {key: (value or "").replace("\\n", " ").split() for key, value in chosen.items()}
    for key in ("index-url", "extra-index-url", "find-links"):
        words[key] = [place for place in words.get(key, ()) if _exists(place)]
    variables = {}
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    for key, name in names.items():
        if words.get(key):
            variables[name] = " ".join(words[key])
    if words.get("find-links"):
        variables["UV_FIND_LINKS"] = ",".join(words["find-links"])
    if words.get("trusted-host"):
        variables["UV_INSECURE_HOST"] = " ".join(words["trusted-host"])
    if words.get("proxy"):
        variables["ALL_PROXY"] = words["proxy"][0]
    if limit := words.get("timeout") or words.get("default-timeout"):
        variables["UV_HTTP_TIMEOUT"] = limit[0]
    if "UV_INDEX" in variables:
        # pip treats all indexes alike. With every file pinned by its hash, none of them can slip in another one.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def _exists(place: str) -> bool:
    """False for a local path or file: address that names nothing: pip warns about one and goes on, uv stops."""
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path)).exists()
    return "://" in place or Path(place).expanduser().exists()
