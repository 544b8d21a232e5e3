"""The isolated environment in .course/: made once, kept whole, entered by every command.

Only the standard library: this runs in whatever Python the learner has. The environment counts as ready when
its stamp says so, and the stamp is the last thing written; anything without a valid stamp is unfinished work.
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
from pathlib import Path

from autograder import errors
from autograder.bootstrap import installer
from autograder.errors import SetupError
from autograder.paths import ROOT

WINDOWS = os.name == "nt"
NEEDED = 700 * 2**20  # bytes on disk for a first set-up, measured at 460 to 650 MB

# What the user set for other Pythons must not leak into this one.
FOREIGN = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONINSPECT", "PYTHONEXECUTABLE",
    "__PYVENV_LAUNCHER__", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV",
    "JUPYTER_PATH", "JUPYTERLAB_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
)  # fmt: skip


def say(line: str) -> None:
    """Progress goes to stderr: what a command prints (grade --json) stays clean."""
    print(line, file=sys.stderr, flush=True)


class Environment:
    """One environment of one clone, for the Python that runs this."""

    def __init__(self, root: Path = ROOT):
        self.root = Path(root)
        self.home = self.root / ".course"
        self.folder = self.home / f"py{sys.version_info[0]}.{sys.version_info[1]}"
        self.stamp = self.folder / "course-stamp.json"
        self.log = self.home / "setup.log"
        self.bin = self.folder / ("Scripts" if WINDOWS else "bin")
        self.python = self.bin / ("python.exe" if WINDOWS else "python")

    # --- is it ready? ---

    def locks(self, want: str) -> list[Path]:
        names = ["uv.txt", "course.txt"] + (["test.txt"] if want == "test" else [])
        paths = [self.root / "lock" / name for name in names]
        for path in paths:
            if not path.exists():
                raise SetupError(f"{path} is missing: bring it back (git checkout -- lock), then run it again.")
        return paths

    def expected(self, want: str) -> dict:
        """What the stamp must say. The folder is in it because scripts in bin/ hold their own full path."""
        texts = {path.name: path.read_bytes().replace(b"\r\n", b"\n") for path in self.locks(want)}
        return {
            "folder": str(self.folder),
            "platform": sysconfig.get_platform(),
            "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "locks": {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()},
        }

    def stamped(self) -> dict | None:
        """What the stamp says, or None when the environment cannot be built upon."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return stamp if isinstance(stamp, dict) and isinstance(stamp.get("locks"), dict) else None

    def sound(self) -> bool:
        """Whether the environment is of this Python, in this place, and its interpreter still runs."""
        stamp, expected = self.stamped(), self.expected("course")
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

    def ready(self, want: str) -> bool:
        stamp = self.stamped()
        if stamp is None:
            return False
        have = stamp["locks"]
        return all(have.get(name) == value for name, value in self.expected(want)["locks"].items()) and self.sound()

    # --- make it ready ---

    def ensure(self, want: str) -> None:
        """Have an environment with what `want` ("course" or "test") needs, making or mending it first."""
        if self.ready(want):
            return
        check_python()
        try:
            self.home.mkdir(exist_ok=True)
            with locked(self.home / "lock") as guard:
                if not self.ready(want):  # another ./course may have done it while we waited
                    self._build(want, guard)
        except KeyboardInterrupt:
            raise SetupError(errors.INTERRUPTED) from None
        except FileExistsError:
            raise SetupError(f"{self.home} is in the way: move it elsewhere, and run this again.") from None
        except OSError as error:
            sentence = errors.of_os_error(error)
            if sentence is None:
                raise
            raise SetupError(sentence) from error

    def _build(self, want: str, guard: int | None) -> None:
        began = time.monotonic()
        stamp = self.stamped()
        update = stamp is not None and self.sound()
        if update and "test.txt" in stamp["locks"]:
            want = "test"  # what the tests added stays in step with the rest
        packages = installer.count(self.locks(want))

        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        with open(self.log, "w", encoding="utf-8", buffering=1) as log:
            run = installer.Runner(log, say, guard, clean_environment(self))
            if update:
                say("The list of packages has changed: bringing the environment up to date.")
                self.stamp.unlink()
            else:
                if self.folder.exists():
                    say("The environment is unfinished or no longer fits: making it anew.")
                    shutil.rmtree(self.folder)
                check_disk(self.home)
                say(f"Setting up the course for Python {version}, once, in {self.home}")
                say("1/3 Making an isolated environment")
                run.python_step([sys.executable, "-I", "-m", "venv", str(self.folder)], "making the environment")
                say("2/3 Fetching the installer")
            by_uv = installer.fetch_uv(run, self.python, self.locks(want)[0])
            say(f"{'' if update else '3/3 '}Installing {packages} packages, locked and hashed")
            installer.install(run, self.python, self.bin, self.locks(want)[0 if by_uv else 1 :], by_uv)
            link(self.root, sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))
            # Otherwise the first notebook that draws waits for this, and reads about it on stderr.
            run.python_step([self.python, "-c", "import matplotlib.pyplot"], "looking for fonts")
            self._write_stamp(want)
        say(f"Ready after {time.monotonic() - began:.0f} s.")

    def _write_stamp(self, want: str) -> None:
        draft = self.stamp.with_suffix(".draft")
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(self.expected(want), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.stamp)


def link(root: Path, site: str) -> None:
    """Put the clone on the path of the environment whose site-packages this is.

    A .pth file instead of an editable install: that would need a build backend, fetched and pinned, to write this
    same line, and it can fail half-way.
    """
    Path(site, "never_block_course.pth").write_text(f"{root}\n", encoding="utf-8")


def clean_environment(env: Environment) -> dict[str, str]:
    """The process environment for whatever runs inside: the environment active, the user's own Python out."""
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
    """Distributions leave parts of Python out; name the missing one before something trips over it."""
    missing = [name for name in ("venv", "ensurepip", "ssl", "sqlite3", "ctypes", "zlib") if not _has(name)]
    if not missing:
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if set(missing) <= {"venv", "ensurepip"}:
        raise SetupError(
            f"This Python {version} came without {' and '.join(missing)}, which make isolated environments: install "
            f"them (Debian and Ubuntu: sudo apt install python3-venv, or python{version}-venv), then run it again."
        )
    raise SetupError(
        f"This Python {version} ({sys.executable}) was built without {', '.join(missing)}: use another one "
        f"(python.org, your package manager, or conda), then run it again."
    )


def _has(module: str) -> bool:
    if module in ("venv", "ensurepip"):
        # Debian ships ensurepip's package without the wheels that it installs, or not at all.
        return importlib.util.find_spec(module) is not None
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED:
        raise SetupError(
            f"The disk is too full: {free // 2**20} MB are free in {folder}, and the course needs about "
            f"{NEEDED // 2**20} MB. Make room (or move the clone), then run it again."
        )


@contextlib.contextmanager
def locked(path: Path):
    """Hold this file's lock, waiting for whoever has it; yields the descriptor that children inherit.

    Children keep it open, so that the lock outlives a set-up that is killed until its installer has ended too.
    """
    with open(path, "a+b") as file:
        try:
            if not _try_lock(file):
                say("Another ./course is setting up this clone: waiting until it is done.")
                while not _try_lock(file):
                    time.sleep(0.2)
        except OSError:
            # Some network file systems know no locks: a warning would help nobody, two at once are rare.
            yield None
            return
        yield None if WINDOWS else file.fileno()


def _try_lock(file) -> bool:
    try:
        if WINDOWS:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def enter(want: str, argv: list[str]) -> int:
    """Have the environment, then go on in it: on POSIX this does not return."""
    env = Environment()
    env.ensure(want)
    # -P: the folder that the user happens to stand in must not be importable (a stray json.py there...).
    command = [str(env.python), "-P", "-m", "autograder", *argv]
    variables = clean_environment(env)
    if WINDOWS:
        return subprocess.call(command, env=variables)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(env.python, command, variables)
