"""The isolated environments in ``.course/``: one for the course, one for its tests; each is made once.

Only the standard library: this runs in whatever Python the learner has. An environment counts as ready when
its stamp says so, and the stamp is written last; a folder without a valid stamp is unfinished work.
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

# What each environment is for: the locks that it is made from, the prefix of its folder, and the bytes on disk that
# a first set-up needs, with bytecode and downloads.
LOCKS = {"course": ("uv.txt", "course.txt"), "test": ("uv.txt", "course.txt", "test.txt")}
PREFIXES = {"course": "py", "test": "test-py"}
NEEDED_BYTES = {"course": 800 * 2**20, "test": 1200 * 2**20}

# What the user set for other Pythons must not leak into this one.
FOREIGN = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONINSPECT", "PYTHONEXECUTABLE",
    "__PYVENV_LAUNCHER__", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV",
    "JUPYTER_PATH", "JUPYTERLAB_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
)  # fmt: skip


def say(line: str) -> None:
    """Print a line of progress to stderr, so that what a command prints (``grade --json``) stays clean."""
    print(line, file=sys.stderr, flush=True)


class Environment:
    """One environment of one clone, for the Python that runs this.

    ``purpose`` is ``"course"`` or ``"test"``. The tests have an environment of their own, because the packages of an
    environment are part of the key under which a class's verdicts are cached: running the tests must not change it.
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
        """The lock files that this environment is made from, the installer's first."""
        paths = [self.root / "lock" / name for name in LOCKS[self.purpose]]
        for path in paths:
            if not path.exists():
                raise SetupError(f"{path} is missing: restore it (git checkout -- lock), then run the command again.")
        return paths

    def expected(self) -> dict[str, Any]:
        """What the stamp must say. The folder is in it because scripts in ``bin/`` contain their own full path."""
        texts = {path.name: path.read_bytes().replace(b"\r\n", b"\n") for path in self.locks()}
        return {
            "folder": str(self.folder),
            "platform": sysconfig.get_platform(),
            "python": PYTHON,
            "locks": {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()},
        }

    def stamped(self) -> dict[str, Any] | None:
        """What the stamp says, or None if there is no valid one and the environment must be made again."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return stamp if isinstance(stamp, dict) and isinstance(stamp.get("locks"), dict) else None

    def sound(self) -> bool:
        """True if the environment is for this Python and in this place, and its interpreter still runs."""
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
        """True if the environment has exactly what its locks say."""
        stamp = self.stamped()
        return stamp is not None and bool(stamp["locks"] == self.expected()["locks"]) and self.sound()

    # --- make it ready ---

    def ensure(self) -> None:
        """Make or update the environment if it isn't ready; raise `SetupError` if that is impossible."""
        if self.ready():
            return
        check_python()
        try:
            self.home.mkdir(exist_ok=True)
            with locked(self.home / "lock") as guard:
                if not self.ready():  # another ./course may have done it while this one waited
                    self._build(guard)
        except KeyboardInterrupt:
            raise SetupError(errors.INTERRUPTED) from None
        except FileExistsError:
            raise SetupError(f"{self.home} is in the way: move it elsewhere, and run the command again.") from None
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
                    say("The environment is unfinished or no longer fits: making it again.")
                    shutil.rmtree(self.folder)
                check_disk(self.home, NEEDED_BYTES[self.purpose])
                say(f"Setting up {what} for Python {PYTHON}, once, in {self.home}")
                say("1/3 Making an isolated environment")
                # Without pip: unpacking and compiling it takes longer than installing all the other packages.
                command = [sys.executable, "-I", "-m", "venv", "--without-pip", str(self.folder)]
                run.python_step(command, "making the environment")
                say("2/3 Fetching the installer")
            pip = installer.fetch_uv(run, self.python, locks[0])
            say(f"{'' if update else '3/3 '}Installing {packages} packages, locked and hashed")
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

    # --- what a first start doesn't wait for ---

    def finish(self, in_background: bool) -> None:
        """Compile the packages' bytecode and install pip, once, in a process of its own.

        In the background for a first start, where nobody should wait for it; it runs with the lowest priority. Grading
        waits for it: a sandboxed app can't write bytecode, so it would compile its imports again at each start.
        """
        if self.finished.exists() or not os.access(self.folder, os.W_OK):
            return
        command = [str(self.python), "-P", "-m", finish.__name__, str(self.finished)]
        if not in_background:
            say("Compiling the packages, once")
            with self.log.open("a", encoding="utf-8", buffering=1) as log:
                run = installer.Runner(log, say, None, clean_environment(self))
                with contextlib.suppress(installer.Failed):  # it only saves time
                    run.step(command, "compiling", how_far=run.last_line)
            return
        command.append("--in-background")
        if not WINDOWS:
            # The shell ends at once, so that the compiler isn't a child of the server that this process becomes.
            command = ["/bin/sh", "-c", '"$@" &', "sh", *command]
        with self.log.open("a", encoding="utf-8") as log:
            started = subprocess.Popen(
                command, env=clean_environment(self), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                start_new_session=True,
            )  # fmt: skip
        if not WINDOWS:
            started.wait()


def link(root: Path, site: Path | str) -> None:
    """Put the clone on the path of the environment whose site-packages folder is ``site``.

    A .pth file instead of an editable install: that would need a build backend, fetched and pinned, to write this
    same line, and it can fail half-way.
    """
    Path(site, "never_block_course.pth").write_text(f"{root}\n", encoding="utf-8")


def clean_environment(env: Environment) -> dict[str, str]:
    """The environment variables for a process in ``env``: the environment is active, the user's own Python is out."""
    variables = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    # nbgrader starts `alembic` from PATH, and deletes an old release before it notices that there is none.
    variables["PATH"] = os.pathsep.join([str(env.bin), variables.get("PATH", os.defpath)])
    variables["VIRTUAL_ENV"] = str(env.folder)
    variables["PYTHONNOUSERSITE"] = "1"
    # The user's own Jupyter, IPython and matplotlib settings stay out of the course, and the course out of them.
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
    """Raise `SetupError` if this Python lacks a module that distributions package separately or leave out."""
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
    """True if this Python has the module, and it works."""
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
    """Hold a lock on a file, waiting for the process that has it; yield the descriptor that children inherit.

    Children keep it open, so that the lock of a set-up that is killed lasts until its installer has ended too.
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
            # Some network file systems have no locks. A warning would help nobody: two at once are rare.
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


# Commands that start untrusted apps again and again: they wait until all bytecode is compiled.
GRADING = ("grade", "class", "bench")


def enter(purpose: str, argv: list[str]) -> int:
    """Make the environment if necessary and run the command in it; on POSIX this doesn't return."""
    env = Environment(purpose=purpose)
    env.ensure()
    env.finish(in_background=argv[0] not in GRADING)
    # -P: the current folder must not be importable (a stray json.py there...).
    command = [str(env.python), "-P", "-m", "autograder", *argv]
    variables = clean_environment(env)
    if WINDOWS:
        return subprocess.call(command, env=variables)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(env.python, command, variables)
