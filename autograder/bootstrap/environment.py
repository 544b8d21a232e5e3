"""Create and update the virtual environments in ``.course/``: one for the course, one for its tests.

This module uses only the standard library, because it runs in whatever Python the learner has. An environment is ready
when its stamp matches the lock files. The stamp is written last, so a folder without a valid stamp is incomplete.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from autograder import errors
from autograder.bootstrap import finish, installer
from autograder.errors import SetupError
from autograder.paths import ROOT

WINDOWS = os.name == "nt"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

# By the environment's purpose: its lock files, the prefix of its folder's name, and the disk space in bytes that the
# first set-up needs, including bytecode and downloads.
LOCKS = {"course": ("uv.txt", "course.txt"), "test": ("uv.txt", "course.txt", "test.txt")}
PREFIXES = {"course": "py", "test": "test-py"}
NEEDED_BYTES = {"course": 800 * 2**20, "test": 1200 * 2**20}

# Variables that the user has set for other Pythons. They must not leak into this environment. (Images of containers often set
# PYTHONDONTWRITEBYTECODE to stay small. Here, each process would compile the course's modules again.)
FOREIGN = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONINSPECT", "PYTHONEXECUTABLE",
    "__PYVENV_LAUNCHER__", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV",
    "JUPYTER_PATH", "JUPYTERLAB_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
)  # fmt: skip


def say(line: str) -> None:
    """Print a progress line to stderr, so that a command's own output (``grade --json``) stays clean."""
    print(line, file=sys.stderr, flush=True)


class Environment:
    """One virtual environment of one clone, for the running version of Python.

    ``purpose`` is ``"course"`` or ``"test"``. The tests have an environment of their own because the installed packages
    are part of the key under which a class's verdicts are cached: running the tests must not invalidate them.
    """

    def __init__(self, root: Path = ROOT, purpose: str = "course"):
        self.root = Path(root)
        self.purpose = purpose
        self.home = self.root / ".course"
        self.folder = self.home / f"{PREFIXES[purpose]}{PYTHON}"
        self.stamp = self.folder / "course-stamp.json"
        self.finished = self.folder / "course-finished"
        self.log = self.home / "setup.log"
        self.bin = self.folder / ("Scripts" if WINDOWS else "bin")
        self.python = self.bin / ("python.exe" if WINDOWS else "python")

    # --- is it ready? ---

    def locks(self) -> list[Path]:
        """Return the lock files of this environment, the installer's first. Raise `SetupError` if one is missing."""
        paths = [self.root / "lock" / name for name in LOCKS[self.purpose]]
        for path in paths:
            if not path.exists():
                raise SetupError(f"{path} is missing: restore it (git checkout -- lock), then run the command again.")
        return paths

    def expected(self) -> dict[str, Any]:
        """Return the content of a valid stamp. It includes the folder, because scripts in ``bin/`` contain their full path."""
        texts = {path.name: path.read_bytes().replace(b"\r\n", b"\n") for path in self.locks()}
        return {
            "folder": str(self.folder),
            "platform": sysconfig.get_platform(),
            "python": PYTHON,
            "locks": {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()},
        }

    def stamped(self) -> dict[str, Any] | None:
        """Return the stamp's content, or None if it's missing or invalid, so that the environment must be rebuilt."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return stamp if isinstance(stamp, dict) and isinstance(stamp.get("locks"), dict) else None

    def sound(self) -> bool:
        """Return True if the environment was made for this Python and this folder, and its interpreter still runs."""
        stamp, expected = self.stamped(), self.expected()
        if stamp is None or any(stamp.get(key) != expected[key] for key in ("folder", "platform", "python")):
            return False
        question = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            answer = subprocess.run(
                [self.python, "-I", "-S", "-c", question], capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return answer.stdout.strip() == expected["python"]

    def ready(self) -> bool:
        """Return True if the environment was built from the current lock files and works."""
        stamp = self.stamped()
        return stamp is not None and bool(stamp["locks"] == self.expected()["locks"]) and self.sound()

    # --- make it ready ---

    def ensure(self) -> None:
        """Create or update the environment if it isn't ready. Raise `SetupError` if that fails."""
        if self.ready():
            return
        check_python()
        try:
            self.home.mkdir(exist_ok=True)
            with locked(self.home / "lock") as guard:
                if not self.ready():  # another ./course may have built it while this one waited
                    self._build(guard)
        except KeyboardInterrupt:
            raise SetupError(errors.INTERRUPTED) from None
        except FileExistsError:
            raise SetupError(
                f"{self.home} is in the way: it has to be a folder. Move it, then run the command again."
            ) from None
        except OSError as error:
            sentence = errors.of_os_error(error)
            if sentence is None:
                raise
            raise SetupError(sentence) from error

    def _build(self, guard: int | None) -> None:
        began = time.monotonic()
        update = self.stamped() is not None and self.sound()
        locks = self.locks()
        packages = installer.count(locks)
        what = "the course" if self.purpose == "course" else "the course's tests"
        with self.log.open("w", encoding="utf-8", buffering=1) as log:
            run = installer.Runner(log, say, guard, clean_environment(self))
            self.finished.unlink(missing_ok=True)
            if update:
                say("The list of packages has changed: updating the environment.")
                self.stamp.unlink()
            else:
                if self.folder.exists():
                    say("The environment is incomplete or was made for another Python or folder: making it again.")
                    shutil.rmtree(self.folder)
                check_disk(self.home, NEEDED_BYTES[self.purpose])
                say(f"Setting up {what} for Python {PYTHON} in {self.home} (only the first time)")
                say("1/3 Creating an isolated environment")
                # Without pip, because unpacking and compiling pip takes longer than installing all the other packages with uv.
                command = [sys.executable, "-I", "-m", "venv", "--without-pip", str(self.folder)]
                run.required_step(command, "creating the environment")
                say("2/3 Downloading the installer")
            pip = installer.fetch_uv(run, self.python, locks[0])
            say(f"{'' if update else '3/3 '}Installing {packages} packages (pinned, and verified by hash)")
            site = Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))
            installer.install(run, self.python, self.bin, locks, pip, site)
            link(self.root, site)
            self._write_stamp()
        say(f"Ready after {time.monotonic() - began:.0f} s.")

    def _write_stamp(self) -> None:
        draft = self.stamp.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(self.expected(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.stamp)

    # --- work that the first start doesn't wait for ---

    def finish(self, in_background: bool) -> None:
        """Compile the packages' bytecode and install pip, unless that was done before, in a separate process.

        A first start runs it in the background, at the lowest priority, so that the learner doesn't wait for it. Grading
        waits: a sandboxed app can't write bytecode, so it would compile its imports again at every start.
        """
        if self.finished.exists() or not os.access(self.folder, os.W_OK):
            return
        command = [str(self.python), "-P", "-m", finish.__name__, str(self.finished)]
        if not in_background:
            say("Compiling the packages (only the first time)")
            with self.log.open("a", encoding="utf-8", buffering=1) as log:
                run = installer.Runner(log, say, None, clean_environment(self))
                with contextlib.suppress(installer.Failed):  # compiling in advance only saves time
                    run.step(command, "compiling", status=run.last_line)
            return
        command.append("--in-background")
        if not WINDOWS:
            # The shell exits at once, so the compiling process isn't a child of the server that this process is about to exec.
            command = ["/bin/sh", "-c", '"$@" &', "sh", *command]
        with self.log.open("a", encoding="utf-8") as log:
            started = subprocess.Popen(
                command, env=clean_environment(self), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                start_new_session=True,
            )  # fmt: skip
        if not WINDOWS:
            started.wait()


def link(root: Path, site: Path | str) -> None:
    """Put the clone on the import path of the environment whose site-packages folder is ``site``.

    This writes a .pth file. An editable install would write the same line, but needs a pinned build backend, and can
    fail half-way.
    """
    Path(site, "never_block_course.pth").write_text(f"{root}\n", encoding="utf-8")


def clean_environment(env: Environment) -> dict[str, str]:
    """Return variables for a process in ``env``, with the environment activated and without the user's own Python settings."""
    variables = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    # nbgrader starts `alembic` from PATH, and it deletes an old release before it notices that `alembic` is missing.
    variables["PATH"] = os.pathsep.join([str(env.bin), variables.get("PATH", os.defpath)])
    variables["VIRTUAL_ENV"] = str(env.folder)
    variables["PYTHONNOUSERSITE"] = "1"
    # Keep the user's own settings of Jupyter, IPython and matplotlib out of the course, and the course's out of theirs.
    jupyter = env.home / "jupyter"
    variables.update(
        JUPYTER_CONFIG_PATH=str(env.root / "autograder" / "jupyter"),
        JUPYTER_CONFIG_DIR=str(jupyter / "config"),
        JUPYTER_DATA_DIR=str(jupyter / "data"),
        JUPYTER_RUNTIME_DIR=str(jupyter / "runtime"),
        JUPYTER_PREFER_ENV_PATH="1",
        IPYTHONDIR=str(jupyter / "ipython"),
        MPLCONFIGDIR=str(jupyter / "matplotlib"),
    )
    return variables


def check_python() -> None:
    """Raise `SetupError` if this Python lacks a module that some distributions package separately or omit."""
    missing = [name for name in ("venv", "ensurepip", "ssl", "sqlite3", "ctypes", "zlib") if not _has(name)]
    if not missing:
        return
    if set(missing) <= {"venv", "ensurepip"}:
        raise SetupError(
            f"This Python {PYTHON} came without {' and '.join(missing)}, which make isolated environments: install "
            f"them (Debian and Ubuntu: sudo apt install python3-venv, or python{PYTHON}-venv), then run the command again."
        )
    raise SetupError(
        f"This Python {PYTHON} ({sys.executable}) was built without {', '.join(missing)}: use another one "
        f"(python.org, your package manager, or conda), then run the command again."
    )


def _has(module: str) -> bool:
    """Return True if this Python has the module and can load it."""
    if module in ("venv", "ensurepip"):
        # Debian ships ensurepip's package without the wheels that it installs, or not at all.
        return importlib.util.find_spec(module) is not None
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def check_disk(folder: Path, needed: int) -> None:
    """Raise `SetupError` if the disk that ``folder`` is on has fewer than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(
            f"The disk is too full: {free // 2**20} MB are free in {folder}, and the course needs about "
            f"{needed // 2**20} MB. Make room (or move the clone), then run the command again."
        )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """Hold a lock on a file, waiting until it's free. Yield the file descriptor for children to inherit, or None.

    Children keep the descriptor open, so if a set-up is killed, its lock lasts until its installer has exited too.
    """
    with path.open("a+b") as file:
        try:
            if not _try_lock(file):
                began = said = time.monotonic()
                say("Another ./course is setting up this clone: waiting until it is done.")
                while not _try_lock(file):
                    time.sleep(0.2)
                    if time.monotonic() - said >= installer.HEARTBEAT_S:
                        said = time.monotonic()
                        say(f"    still waiting, {said - began:.0f} s so far")
        except OSError:
            # Some network file systems have no locks. Two set-ups at once are rare, so there's no warning.
            yield None
            return
        yield None if WINDOWS else file.fileno()


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if WINDOWS:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


# Commands that start sandboxed apps again and again. They wait until all bytecode is compiled.
GRADING = ("grade", "class", "bench")


def enter(purpose: str, argv: list[str]) -> int:
    """Set up the environment if necessary and run the command in it. Return its exit code; on POSIX, replace this process."""
    env = Environment(purpose=purpose)
    env.ensure()
    env.finish(in_background=argv[0] not in GRADING)
    # -P: don't import from the current folder, where a stray json.py would shadow the standard library.
    command = [str(env.python), "-P", "-m", "autograder", *argv]
    variables = clean_environment(env)
    if WINDOWS:
        return subprocess.call(command, env=variables)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(env.python, command, variables)
