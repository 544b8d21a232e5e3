"""Getting locked packages into the environment: with uv, and with pip where uv cannot.

Only the standard library: the environment that this fills is not there yet.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
import time
from pathlib import Path

from autograder import errors
from autograder.errors import SetupError

HEARTBEAT = 15  # seconds without a line before we say that it is still going on


class Failed(Exception):
    """A step that ended badly; `output` is what it printed."""

    def __init__(self, what: str, output: str):
        super().__init__(what)
        self.what, self.output = what, output


class Runner:
    """Runs the steps of a set-up: everything they print goes to the log, a little of it to the user."""

    def __init__(self, log, say, guard: int | None, variables: dict[str, str]):
        self.log, self.say, self.guard, self.variables = log, say, guard, variables

    def step(self, command: list, what: str, extra: dict[str, str] | None = None, show=lambda line: None) -> str:
        """Run one command to its end; `show` picks from its lines what the user is to see."""
        self.log.write("$ " + " ".join(map(str, command)) + "\n")
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**self.variables, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # The lock on .course is ours as long as anything of ours still works in it.
            pass_fds=() if self.guard is None else (self.guard,),
        )
        try:
            lines = self._follow(process, what, show)
            code = process.wait()
        except BaseException:
            # Ctrl-C reaches the child too; make sure that it is gone before the lock is.
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

    def python_step(self, command: list, what: str) -> None:
        """A step that nothing can stand in for."""
        try:
            self.step(command, what)
        except Failed as failed:
            raise self.give_up(failed) from None

    def give_up(self, failed: Failed) -> SetupError:
        sentence = errors.recognise(failed.output)
        if sentence is None:
            last = [line for line in failed.output.splitlines() if line.strip()][-1:] or ["it printed nothing"]
            sentence = f"The set-up stopped at {failed.what} ({last[0].strip()}); all it said is in {self.log.name}."
        return SetupError(sentence)

    def _follow(self, process, what: str, show) -> list[str]:
        lines: list[str] = []
        arriving: queue.SimpleQueue = queue.SimpleQueue()

        def read() -> None:
            for line in process.stdout:
                arriving.put(line)
            arriving.put(None)

        threading.Thread(target=read, daemon=True).start()
        began = time.monotonic()
        while True:
            try:
                line = arriving.get(timeout=HEARTBEAT)
            except queue.Empty:
                self.say(f"    still {what}, {time.monotonic() - began:.0f} s so far")
                continue
            if line is None:
                return lines
            self.log.write(line)
            lines.append(line.rstrip())
            shown = show(line.strip())
            if shown:
                self.say(f"    {shown}")


def count(locks: list[Path]) -> int:
    """How many packages these locks name (a package with two versions for two Pythons is one)."""
    names = set()
    for path in locks:
        names.update(re.findall(r"^([A-Za-z0-9][\w.-]*)==", path.read_text(encoding="utf-8"), re.M))
    return len(names)


def fetch_uv(run: Runner, python: Path, lock: Path) -> bool:
    """Get uv with pip, which every environment has; False when there is no uv for this machine."""
    command = [python, "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", lock]
    try:
        run.step(command, "fetching the installer", _pip_variables())
    except Failed as failed:
        if errors.recognise(failed.output) is not None:
            raise run.give_up(failed) from None
        run.say("    uv cannot be had here: going on with pip, which takes longer")
        return False
    return True


def install(run: Runner, python: Path, bin_folder: Path, locks: list[Path], by_uv: bool) -> None:
    """Install what the locks name, and with uv remove what they do not."""
    if by_uv:
        uv = bin_folder / ("uv.exe" if os.name == "nt" else "uv")
        command = [uv, "pip", "sync", "--python", python, "--require-hashes", "--compile-bytecode", *locks]
        try:
            run.step(command, "installing", uv_variables(run, python), _show_uv)
            return
        except Failed as failed:
            # A full disk or a wrong hash is no better with pip. Anything else may be: proxies, certificates and
            # mirrors are what pip has been taught on many machines, and uv has not.
            if errors.recognise(failed.output) in (errors.DISK, errors.HASHES):
                raise run.give_up(failed) from None
            run.say("    uv could not do it here: going on with pip, which takes longer")
    command = [python, "-m", "pip", "install", "--require-hashes"]
    for lock in locks:
        command += ["-r", lock]
    try:
        run.step(command, "installing", _pip_variables(), _show_pip())
    except Failed as failed:
        if "(from versions: none)" in failed.output and errors.recognise(failed.output) is None:
            # All that pip says of an index that it did not reach, when it was told not to retry.
            raise SetupError(errors.NETWORK) from None
        raise run.give_up(failed) from None


def _show_uv(line: str) -> str | None:
    # "Downloading numpy (15.9MiB)", "Prepared 118 packages in 4.05s", "Bytecode compiled 5234 files in 6s"
    return line if line.split(" ")[0] in ("Downloading", "Prepared", "Installed", "Bytecode") else None


def _show_pip():
    collected = 0

    def show(line: str) -> str | None:
        nonlocal collected
        if line.startswith("Collecting "):
            collected += 1
            if collected % 20 == 0:
                return f"{collected} packages found"
        return line if line.startswith("Installing collected") and len(line) < 80 else None

    return show


def _pip_variables() -> dict[str, str]:
    # PIP_USER=0: a user's own setting would send the packages elsewhere.
    variables = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0", "PIP_PROGRESS_BAR": "off"}
    if "PIP_RETRIES" not in os.environ:
        variables["PIP_RETRIES"] = "3"
    return variables


def uv_variables(run: Runner, python: Path) -> dict[str, str]:
    """Tell uv what pip has been told about this machine's indexes; what the user told uv itself stays."""
    variables = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    if "UV_CACHE_DIR" not in os.environ and not os.access(Path.home(), os.W_OK):
        # Containers run as anyone: a home that cannot be written to must not cost uv.
        variables["UV_CACHE_DIR"] = str(python.parent.parent.parent / "uv-cache")
    try:
        listed = run.step([python, "-m", "pip", "config", "list"], "reading pip's configuration", _pip_variables())
    except Failed:
        return variables
    told = translate_pip_config(listed)
    variables.update({key: value for key, value in told.items() if key not in os.environ})
    return variables


def translate_pip_config(listed: str) -> dict[str, str]:
    """`pip config list` in uv's words. Addresses may hold passwords: they travel in variables, never in arguments."""
    settings = {}
    for line in listed.splitlines():
        match = re.fullmatch(r"(global|install|:env:)\.([\w-]+)='(.*)'", line.strip())
        if match:
            settings.setdefault(match[2], {})[match[1]] = match[3]
    chosen = {key: value.get(":env:") or value.get("install") or value.get("global") for key, value in settings.items()}
    variables = {}
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    for key, name in names.items():
        if chosen.get(key):
            variables[name] = " ".join(chosen[key].replace("\\n", " ").split())
    if chosen.get("find-links"):
        variables["UV_FIND_LINKS"] = ",".join(chosen["find-links"].replace("\\n", " ").split())
    if chosen.get("trusted-host"):
        variables["UV_INSECURE_HOST"] = " ".join(chosen["trusted-host"].replace("\\n", " ").split())
    if chosen.get("proxy"):
        variables["ALL_PROXY"] = chosen["proxy"]
    if "UV_INDEX" in variables:
        # pip looks at all indexes alike. With every file pinned by hash none of them can slip in another.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables
