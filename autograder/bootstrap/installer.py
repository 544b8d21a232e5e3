"""Install the locked packages into an environment: with uv, or with pip where uv doesn't work.

This module uses only the standard library, because the environment that it fills isn't usable yet.
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

HEARTBEAT_S = 5  # the longest time without a progress line
# The shares of a step between which the rest is estimated: earlier it would be a guess, and the last files may be the largest.
ESTIMATE_SHARES = 0.1, 0.95

Command = list[Any]  # a program and its arguments, strings or paths
Progress = tuple[str, float | None]  # a step's progress in words, and the share that is done (0 to 1), None if unknown


def _show_nothing(line: str) -> str | None:
    return None


class Failed(Exception):
    """A step failed. ``what`` is its name, ``output`` is what it printed."""

    def __init__(self, what: str, output: str):
        super().__init__(what)
        self.what, self.output = what, output


class Runner:
    """Runs the steps of a set-up. All their output goes to the log, and the important lines to the user as well."""

    def __init__(self, log: IO[str], say: Callable[[str], None], guard: int | None, variables: Mapping[str, str]):
        self.log, self.say, self.guard, self.variables = log, say, guard, variables
        self._last_line = ""

    def step(
        self,
        command: Command,
        what: str,
        extra: Mapping[str, str] | None = None,
        show: Callable[[str], str | None] = _show_nothing,
        status: Callable[[], Progress] = lambda: ("", None),
    ) -> str:
        """Run one command and return its output. Raise `Failed` if its exit code isn't 0.

        ``what`` is the step's name in messages, and ``extra`` has additional environment variables. ``show`` is called with
        each line and returns the text to print, or None. ``status`` is called after `HEARTBEAT_S` seconds without a line.
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
            # The child inherits the lock on .course, so the lock is held as long as the child works there.
            pass_fds=() if self.guard is None else (self.guard,),
        )
        try:
            lines = self._follow(process, what, show, status)
            code = process.wait()
        except BaseException:
            # Ctrl-C reaches the child too. Make sure that it has exited before the lock is released.
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

    def required_step(self, command: Command, what: str) -> None:
        """Run a step that the set-up can't go on without. Raise `SetupError` if it fails."""
        try:
            self.step(command, what)
        except Failed as failed:
            raise self.give_up(failed) from None

    def give_up(self, failed: Failed) -> SetupError:
        """Return the error that ends the set-up after a failed step; its message says what to do."""
        message = errors.recognise(failed.output)
        if message is None:
            last = [line for line in failed.output.splitlines() if line.strip()][-1:] or ["it printed nothing"]
            message = (
                f"The set-up stopped at {failed.what} ({last[0].strip()}); its whole output is in {self.log.name}."
            )
        return SetupError(message)

    def last_line(self) -> Progress:
        """Return the progress of a step that prints lines like ``3 of 40 files``."""
        match = re.match(r"(\d+) of (\d+) ", self._last_line)
        return self._last_line, int(match[1]) / int(match[2]) if match else None

    def _follow(
        self,
        process: subprocess.Popen[str],
        what: str,
        show: Callable[[str], str | None],
        status: Callable[[], Progress],
    ) -> list[str]:
        """Return the lines that a step prints until it ends, and say something at least every `HEARTBEAT_S` seconds."""
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
                self.say("    " + describe(what, said - began, *status()))
                continue
            if line is None:
                return lines
            self.log.write(line)
            lines.append(line.rstrip())
            self._last_line = line.strip()
            visible = show(line.strip())
            if visible:
                said = time.monotonic()
                self.say(f"    {visible}")


def describe(what: str, elapsed_s: float, text: str, share: float | None) -> str:
    """Return a progress line: the step, its progress, and the estimated remaining time if enough of it is done."""
    line = f"{what}, {elapsed_s:.0f} s so far"
    if text:
        line += f": {text}"
    if share is not None and ESTIMATE_SHARES[0] <= share <= ESTIMATE_SHARES[1]:
        line += f", about {elapsed_s / share - elapsed_s:.0f} s more at this speed"
    return line


def count(locks: list[Path]) -> int:
    """Return how many packages these lock files name. A package with different versions for different Pythons counts once."""
    names = set()
    for path in locks:
        names.update(re.findall(r"^([A-Za-z0-9][\w.-]*)==", path.read_text(encoding="utf-8"), re.M))
    return len(names)


class Pip:
    """A pip that installs into an environment: the running Python's own pip, or else the environment's.

    The environment's Python can run another Python's pip by the path of its folder, which saves the seconds of
    installing a second one.
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
        status: Callable[[], Progress] = lambda: ("", None),
    ) -> str:
        """Run pip and return its output. Raise `Failed` if it fails."""
        if self.command is not None:
            try:
                return self.run.step([*self.command, *arguments], what, pip_variables(), show, status)
            except Failed as failed:
                if errors.recognise(failed.output) is not None:
                    raise
        return self.own([*arguments], what, show, status)

    def own(
        self,
        arguments: Command,
        what: str,
        show: Callable[[str], str | None] = _show_nothing,
        status: Callable[[], Progress] = lambda: ("", None),
    ) -> str:
        """Install pip into the environment, run it, and return its output. Raise `Failed` if it fails."""
        self.run.required_step([self.python, "-I", "-m", "ensurepip", "--default-pip"], "installing pip")
        self.command = None
        return self.run.step([self.python, "-m", "pip", *arguments], what, pip_variables(), show, status)


def fetch_uv(run: Runner, python: Path, lock: Path) -> Pip | None:
    """Install uv with pip. Return that pip, or None if there's no uv for this machine."""
    pip = Pip(run, python)
    # --ignore-installed: a uv that is installed next to the borrowed pip isn't in this environment.
    command = ["install", "--require-hashes", "--no-deps", "--ignore-installed", "--only-binary", ":all:", "-r", lock]
    try:
        pip.step(command, "downloading the installer")
    except Failed as failed:
        if errors.recognise(failed.output) is not None:
            raise run.give_up(failed) from None
        run.say("    uv isn't available here. Using pip instead, which takes longer.")
        return None
    return pip


def install(run: Runner, python: Path, bin_folder: Path, locks: list[Path], pip: Pip | None, site: Path) -> None:
    """Install the packages of the lock files; with uv, also remove all others. Raise `SetupError` if that fails.

    The first lock file is uv's own. ``pip`` is the one that installed uv, or None if there's no uv. ``site`` is the
    environment's site-packages folder.
    """
    if pip is not None:
        uv = bin_folder / ("uv.exe" if os.name == "nt" else "uv")
        command = [uv, "pip", "sync", "--python", python, "--require-hashes", *locks]
        progress = UvProgress(site)
        try:
            run.step(command, "installing", uv_variables(pip), progress.show, progress.status)
            return
        except Failed as failed:
            # pip would fail as well if the disk is full or a hash is wrong. Anything else may work with pip, because
            # proxies, certificates and mirrors are often configured for pip only.
            if errors.recognise(failed.output) in (errors.DISK, errors.HASHES):
                raise run.give_up(failed) from None
            run.say("    uv didn't work here. Using pip instead, which takes longer.")
    arguments: Command = ["install", "--require-hashes", "--no-compile"]
    for lock in locks if pip is not None else locks[1:]:
        arguments += ["-r", lock]
    progress_of_pip = PipProgress(count(locks))
    try:
        Pip(run, python).own(arguments, "installing", progress_of_pip.show, progress_of_pip.status)
    except Failed as failed:
        if "(from versions: none)" in failed.output and errors.recognise(failed.output) is None:
            # With PIP_RETRIES=0 that's all that pip prints when it can't reach the index.
            raise SetupError(errors.NETWORK) from None
        raise run.give_up(failed) from None


class UvProgress:
    """The progress of ``uv pip sync``: in megabytes while it downloads, in packages while it unpacks them into ``site``."""

    def __init__(self, site: Path):
        self.site = site
        self.packages = 0
        self.sizes_mb: dict[str, float] = {}  # by package; uv names only large downloads
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

    def status(self) -> Progress:
        """Return the progress of the step that uv is in."""
        if self.sizes_mb and not self.prepared:
            total = sum(self.sizes_mb.values())
            done = sum(size for name, size in self.sizes_mb.items() if name in self.done)
            return f"{done:.0f} of {total:.0f} MB downloaded", done / total
        there = sum(1 for _ in self.site.glob("*.dist-info"))
        if not self.packages or there <= 1:  # only uv itself
            return "looking for packages", None
        if there > self.packages:
            return "removing packages that are no longer needed", None
        return f"{there} of {self.packages} packages unpacked", there / self.packages


class PipProgress:
    """The progress of ``pip install``: how many of the ``packages`` that the lock files name it has found."""

    def __init__(self, packages: int):
        self.packages, self.found = packages, 0

    def show(self, line: str) -> str | None:
        """Take in one line of pip's output; return it if the user is to see it."""
        self.found += line.startswith("Collecting ")
        return line if line.startswith("Installing collected") and len(line) < 80 else None

    def status(self) -> Progress:
        """Return the progress, without a share: pip starts to install when it has found all, and prints nothing meanwhile."""
        return f"{self.found} of about {self.packages} packages found", None


def pip_variables() -> dict[str, str]:
    """Return environment variables that make pip quiet and non-interactive."""
    # PIP_USER=0: with a user's own PIP_USER=1, pip would install into their home.
    variables = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0", "PIP_PROGRESS_BAR": "off"}
    if "PIP_RETRIES" not in os.environ:
        variables["PIP_RETRIES"] = "3"
    return variables


def uv_variables(pip: Pip) -> dict[str, str]:
    """Return variables that give uv pip's configuration (indexes, proxy, certificates). The user's own uv settings win."""
    variables = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    if "UV_CACHE_DIR" not in os.environ and not os.access(Path.home(), os.W_OK):
        # Containers may run as any user, whose home may not be writable.
        variables["UV_CACHE_DIR"] = str(pip.python.parent.parent.parent / "uv-cache")
    try:
        listed = pip.step(["config", "list"], "reading pip's configuration")
    except Failed:
        return variables
    configured = translate_pip_config(listed)
    variables.update({key: value for key, value in configured.items() if key not in os.environ})
    return variables


def translate_pip_config(listed: str) -> dict[str, str]:
    """Translate the output of ``pip config list`` into variables for uv. URLs may contain passwords, so they aren't arguments."""
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
        # As in pip, all indexes count alike. Every file is pinned by its hash, so no index can substitute another file.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def _exists(place: str) -> bool:
    """Return False for a local path or ``file:`` URL that doesn't exist. pip only warns about one, uv fails."""
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path)).exists()
    return "://" in place or Path(place).expanduser().exists()
