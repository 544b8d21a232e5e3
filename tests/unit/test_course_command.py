"""The command ./course: what it says when something is wrong, and that a second try works."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
import websocket

from autograder import cli, errors
from autograder.bootstrap import environment, installer
from autograder.bootstrap.environment import Environment
from autograder.dev import jupyterlab, lockfiles, test_command
from autograder.errors import SetupError

COURSE_FILES = ("course", "autograder", "lock", "pyproject.toml", "environment.yml")
INITIAL_QUIET_S = 240  # seconds: the machine may be busy, and nothing here is about speed
CLOSED_PORT = "http://127.0.0.1:9/simple"  # "discard": nothing has listened there for decades


@pytest.fixture
def clone(root, tmp_path) -> Path:
    """A fresh clone: the files of the command, and no environment."""
    target = tmp_path / "clone"
    target.mkdir()
    for name in COURSE_FILES:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    return target


def base_python() -> str:
    """The Python that made the environment: a learner starts from one that has none of our packages."""
    return str(Path(sys._base_executable))


def variables(**more: str) -> dict[str, str]:
    """A user's environment: nothing in it of the one that the tests run in."""
    ours = ("VIRTUAL_ENV", "JUPYTER", "IPYTHONDIR", "MPLCONFIGDIR", "PYTHON", "PYTEST", "COURSE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {**kept, **more}


def course(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [base_python(), str(folder / "course"), *arguments],
        cwd=folder, env=variables(**more), capture_output=True, text=True, timeout=INITIAL_QUIET_S,
    )  # fmt: skip


def says(done: subprocess.CompletedProcess, *words: str) -> None:
    """Assert that a command failed without a traceback, and that its last line contains these words."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in last, done.stderr


# --- before anything is set up ---


@pytest.mark.long
def test_help_needs_no_environment(clone):
    done = course(clone, "--help")
    assert done.returncode == 0
    for command in ("lab", "test", "build", "grade", "bench", "class", "lock"):
        assert re.search(rf"^    {command}  +\S", done.stdout, re.M), f"no line for {command}"
        more = course(clone, command, "--help")
        assert more.returncode == 0 and more.stdout.startswith("usage: "), more.stderr
    for group in (("bench", "verdicts"), ("class", "new")):
        assert course(clone, *group, "--help").returncode == 0
    assert not (clone / ".course").exists()


def test_wrong_argument_installs_nothing(clone):
    """A wrong argument is reported before anything is installed."""
    done = course(clone, "lab", "--port", "0")
    assert done.returncode == 2 and "not a port" in done.stderr
    assert not (clone / ".course").exists()


def test_pytest_gets_remaining_arguments():
    """Everything after `test` is passed on to pytest."""
    assert cli.parse(["test", "-k", "one", "tests/x.py", "--port", "1"]).pytest_args == [
        "-k",
        "one",
        "tests/x.py",
        "--port",
        "1",
    ]
    assert cli.parse(["test"]).pytest_args == []


@pytest.mark.long
def test_script_parses_on_any_python(root):
    """The launcher script parses on any Python, so that an old one can print its message."""
    source = (root / "course").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 4))
    for node in ast.walk(tree):
        # What Python 2 has no syntax for, and feature_version lets pass.
        assert not isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.Nonlocal, ast.Starred))
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)
    assert source.isascii()
    for name in ("python2", "python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "python3.10"):
        program = shutil.which(name)
        if program and subprocess.run([program, "--version"], capture_output=True).returncode == 0:
            subprocess.run([program, "-c", "compile(open('course').read(), 'course', 'exec')"], cwd=root, check=True)


def test_old_python_gets_one_message(root, capsys):
    """An old Python gets one message with the version that is needed."""
    script = runpy.run_path(str(root / "course"), run_name="not main")
    assert script["main"](["lab"], version=(3, 8, 18), candidates=()) == 1
    said = capsys.readouterr().err
    assert said.startswith("This course needs Python 3.11 or newer; this is 3.8.")
    assert said.count("\n") == 1 and "course lab" in said


def test_newer_python_takes_over(root, tmp_path, monkeypatch):
    """A shim that doesn't run is skipped, and the first supported Python continues with the same arguments."""
    script = runpy.run_path(str(root / "course"), run_name="not main")
    for name, body in (("shim", "exit 127"), ("old", "echo 3.9"), ("good", "echo 3.12")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    started = []
    monkeypatch.setitem(script["main"].__globals__, "run_with", lambda *what: started.append(what) or 7)
    candidates = [str(tmp_path / name) for name in ("none", "shim", "old", "good")]
    assert script["main"](["grade", "x"], version=(3, 8), candidates=candidates) == 7
    assert started == [(str(tmp_path / "good"), ["grade", "x"])]


def test_missing_module_is_named(monkeypatch):
    """A module that this Python lacks is named, with the way to get it."""
    monkeypatch.setattr(environment, "_has", lambda module: module not in ("ensurepip", "venv"))
    with pytest.raises(SetupError, match=r"without venv and ensurepip.*apt install python3-venv"):
        environment.check_python()
    monkeypatch.setattr(environment, "_has", lambda module: module != "sqlite3")
    with pytest.raises(SetupError, match=r"built without sqlite3: use another one"):
        environment.check_python()


# --- setting up ---


@pytest.mark.long
@pytest.mark.heavy
def test_no_network(clone):
    """Without a network the set-up fails with a message, and the next run recognises the incomplete environment."""
    done = course(
        clone, "build", PIP_INDEX_URL=CLOSED_PORT, PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", PIP_RETRIES="0",
        PIP_NO_CACHE_DIR="1",
    )  # fmt: skip
    says(done, "package index cannot be reached", "run it again")
    env = Environment(clone)
    assert env.folder.exists() and not env.ready()


@pytest.mark.long
@pytest.mark.heavy
def test_first_start_survives_a_kill(clone):
    """After a kill during installation, two concurrent starts and another one build exactly one complete environment."""
    env = Environment(clone)
    clone.joinpath("notebooks").mkdir()
    first = subprocess.Popen(
        [base_python(), "course", "lab"], cwd=clone, env=variables(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_for(lambda: env.log.exists() and "pip sync" in env.log.read_text(), first)
    first.kill()
    first.wait()
    assert not env.ready()

    both = [
        subprocess.Popen(
            [base_python(), "course", "lab"], cwd=clone, env=variables(), stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=INITIAL_QUIET_S)[1] for process in both]
    assert env.ready(), said
    # The killed one may just have made it to the end of the installing; what it left is unfinished all the same.
    assert sum("making it again" in text for text in said) == 1, said
    assert sum("waiting until it is done" in text for text in said) >= 1, said
    for text in said:
        assert text.strip().splitlines()[-1].startswith("There are no notebooks yet: run ./course build"), text

    again = course(clone, "lab")
    says(again, "There are no notebooks yet")
    assert "Setting up" not in again.stderr and "packages" not in again.stderr

    # It is an environment of its own, with the clone on its path and its programs on PATH.
    question = (
        "import sys, shutil, autograder, fastapi; print(sys.prefix, autograder.__file__, shutil.which('alembic'))"
    )
    answer = subprocess.run(
        [env.python, "-P", "-c", question],
        env=environment.clean_environment(env),
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert answer.returncode == 0, answer.stderr
    prefix, package, alembic = answer.stdout.split()
    assert Path(prefix) == env.folder
    assert Path(package).parent.parent == clone
    assert Path(alembic).parent == env.bin

    # A base Python that was removed: the environment no longer runs, and is no longer taken for ready.
    env.python.unlink()
    env.python.symlink_to(clone / "removed")
    assert not env.ready()


def wait_for(happened, process: subprocess.Popen | None = None) -> None:
    """Poll for an event itself, for as long as it may take on a busy machine."""
    end = time.monotonic() + INITIAL_QUIET_S
    while not happened():
        assert process is None or process.poll() is None, "it ended before that"
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def made(clone) -> Environment:
    """An environment with a valid stamp but without packages, for tests of what the stamp decides."""
    env = Environment(clone)
    env.bin.mkdir(parents=True)
    env.python.symlink_to(base_python())
    env._write_stamp()
    return env


def test_environments_are_separate(made):
    """Running the tests must not change the packages of the course, which are part of a verdict's cache key."""
    tests = Environment(made.root, "test")
    assert made.ready() and not tests.ready() and tests.folder != made.folder
    assert {path.name for path in tests.locks()} - {path.name for path in made.locks()} == {"test.txt"}


def test_larger_environment_is_updated(made):
    """An environment whose stamp names another lock file as well isn't rebuilt but updated."""
    stamp = json.loads(made.stamp.read_text())
    stamp["locks"]["test.txt"] = "0" * 64
    made.stamp.write_text(json.dumps(stamp))
    assert not made.ready() and made.sound()


def test_changed_lock_is_noticed(made):
    """After a lock has changed, the environment is out of date but can be updated."""
    with open(made.root / "lock" / "course.txt", "a") as lock:
        lock.write("# changed\n")
    assert not made.ready() and made.sound()


@pytest.mark.parametrize("harm", ["no stamp", "half a stamp", "no python", "dead python", "other python", "moved"])
def test_damaged_environment_is_noticed(made, harm):
    """An environment that is unfinished, moved or broken is built again."""
    if harm == "no stamp":
        made.stamp.unlink()
    elif harm == "half a stamp":
        made.stamp.write_text(made.stamp.read_text()[:40])
    elif harm == "moved":
        made.root.rename(made.root.with_name("elsewhere"))
        made = Environment(made.root.with_name("elsewhere"))
    else:
        made.python.unlink()
        if harm == "dead python":
            made.python.symlink_to("/removed/python3")
        elif harm == "other python":
            made.python.write_text("#!/bin/sh\necho 3.8\n")
            made.python.chmod(0o755)
    assert not made.ready() and not made.sound()


def fake_uv(made: Environment, body: str) -> installer.Runner:
    """An installer that fails the way we want, where uv would be."""
    uv = made.bin / "uv"
    uv.write_text(f"#!/bin/sh\n{body}\n")
    uv.chmod(0o755)
    log = open(made.home / "setup.log", "w")
    return installer.Runner(log, lambda line: None, None, dict(os.environ))


@pytest.mark.parametrize(
    "output, sentence",
    [
        ("error: failed to write: No space left on device (os error 28)", errors.DISK),
        ("  x Hash mismatch for `uvicorn==0.54.0`", errors.HASHES),
    ],
)
def test_installation_errors_are_explained(made, output, sentence):
    """A full disk and a wrong hash each give one message."""
    run = fake_uv(made, f"echo '{output}'; exit 1")
    with pytest.raises(SetupError) as caught:
        installer.install(run, made.python, made.bin, made.locks(), installer.Pip(run, made.python), made.folder)
    assert str(caught.value) == sentence


def test_pip_replaces_a_failing_uv(made, monkeypatch):
    """If uv can't install the packages, pip does, with the hashes checked as well."""
    run = fake_uv(made, "echo 'error: invalid peer certificate'; exit 1")
    commands = []
    step = run.step
    monkeypatch.setattr(
        run,
        "step",
        lambda command, *rest: commands.append(command) or (step(command, *rest) if "sync" in command else ""),
    )
    installer.install(run, made.python, made.bin, made.locks(), installer.Pip(run, made.python), made.folder)
    sync, ensurepip, install = commands[-3:]
    assert "sync" in sync and "ensurepip" in ensurepip
    assert install[1:5] == ["-m", "pip", "install", "--require-hashes"]


def test_broken_pip_is_replaced(made, monkeypatch):
    """If a pip found elsewhere fails, the environment gets its own."""
    run = fake_uv(made, "")
    commands = []

    def step(command, what, *more, **others):
        commands.append([str(part) for part in command])
        if command[1] == "/elsewhere/pip":
            raise installer.Failed(what, "ModuleNotFoundError: No module named 'pip._vendor'")
        return ""

    monkeypatch.setattr(run, "step", step)
    pip = installer.Pip(run, made.python)
    pip.command = [made.python, "/elsewhere/pip"]
    pip.step(["config", "list"], "reading")
    assert [command[1:4] for command in commands] == [
        ["/elsewhere/pip", "config", "list"], ["-I", "-m", "ensurepip"], ["-m", "pip", "config"],
    ]  # fmt: skip


def test_long_step_reports_its_progress(made, monkeypatch):
    """A long step prints a progress line every `HEARTBEAT_S`, even while it prints lines that aren't shown."""
    monkeypatch.setattr(installer, "HEARTBEAT_S", 0.1)
    run, said = fake_uv(made, ""), []
    go_on = made.home / "go on"
    run.say = lambda line: said.append(line) or (len(said) > 2 and go_on.touch())
    loop = f"i=0; while [ ! -e '{go_on}' ]; do echo $i of 1000000 files; i=$((i+1)); sleep 0.01; done"
    run.step(["sh", "-c", loop], "compiling", status=run.last_line)
    assert len(said) > 2 and re.fullmatch(r"    compiling, 0 s so far: \d+ of 1000000 files", said[0]), said[:3]


def test_progress_of_uv(tmp_path):
    progress = installer.UvProgress(tmp_path)
    assert progress.status() == ("looking for packages", None)
    for line in ("Resolved 4 packages in 1s", "Downloading a (3.0MiB)", "Downloading b (1024.0KiB)", "Downloaded a"):
        assert progress.show(line) is None
    assert progress.status() == ("3 of 4 MB downloaded", 0.75)
    assert progress.show("Prepared 4 packages in 2s")
    for name in ("uv", "a"):
        (tmp_path / f"{name}-1.dist-info").mkdir()
    assert progress.status() == ("2 of 4 packages unpacked", 0.5)
    assert installer.describe("installing", 8, *progress.status()) == (
        "installing, 8 s so far: 2 of 4 packages unpacked, about 8 s more at this speed"
    )
    for name in "bcde":
        (tmp_path / f"{name}-1.dist-info").mkdir()
    assert progress.status() == ("removing packages that are no longer needed", None)
    assert installer.describe("installing", 9, "213 of 214 packages unpacked", 0.995).endswith("unpacked")


def test_unknown_failure_names_its_step(made):
    """An unknown failure names its step, the last line of output and the log."""
    run = fake_uv(made, "")
    with pytest.raises(SetupError, match=r"stopped at packing bags \(too heavy\); its whole output is in .*setup\.log"):
        run.required_step(["sh", "-c", "echo light; echo too heavy; exit 3"], "packing bags")


def test_full_disk_is_reported_early(tmp_path):
    """A disk that is too full is reported before anything is downloaded."""
    with pytest.raises(SetupError, match="The disk is too full: .* MB are free"):
        environment.check_disk(tmp_path, 2**62)


def test_interrupted_setup_can_continue(made, monkeypatch):
    """After Ctrl-C during the setup, the message says that it can be run again."""

    def interrupted(*_):
        raise KeyboardInterrupt

    made.stamp.unlink()
    monkeypatch.setattr(made, "_build", interrupted)
    with pytest.raises(SetupError, match="run it again to continue"):
        made.ensure()


def test_ctrl_c_ends_the_installer(made):
    """The step's process is gone when the interruption arrives above, so the lock is not given up before."""
    run = fake_uv(made, "")
    seen = []

    def show(line):
        seen.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.step(["sh", "-c", "echo $$; exec sleep 600"], "waiting", show=show)
    assert not psutil.pid_exists(seen[0])


@pytest.mark.parametrize("number, sentence", [(28, errors.DISK), (13, errors.READ_ONLY), (30, errors.READ_ONLY)])
def test_the_operating_systems_own_refusals(made, monkeypatch, number, sentence):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    made.stamp.unlink()
    monkeypatch.setattr(made, "_build", refused)
    with pytest.raises(SetupError) as caught:
        made.ensure()
    assert str(caught.value) == sentence


def test_unusable_file_is_reported(monkeypatch, capsys):
    """Each command reports a file that can't be used in one message."""
    assert cli.main(["grade", "n" * 300]) == 1
    assert "nnn cannot be used: File name too long." in capsys.readouterr().err
    monkeypatch.chdir("/")
    assert cli.main(["bench", "verdicts", "--exercise", "11_finding_it", "--record", "/nowhere/x"]) == 1
    assert "/nowhere/x cannot be used: No such file or directory." in capsys.readouterr().err


def test_obstructed_environment_is_reported(clone):
    """A file in the place of the environment's folder is reported."""
    (clone / ".course").write_text("a file")
    says(course(clone, "build"), ".course is in the way")


def test_pips_mirror_is_uvs_mirror():
    listed = "\n".join(
        [
            "global.index-url='https://me:secret@mirror.example/simple'",
            "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'",
            "global.trusted-host='mirror.example'",
            ":env:.index-url='https://other.example/simple'",
            "global.timeout='60'",
        ]
    )
    told = installer.translate_pip_config(listed)
    assert told["UV_DEFAULT_INDEX"] == "https://other.example/simple", "a variable counts more than a file"
    assert told["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert told["UV_INSECURE_HOST"] == "mirror.example"
    assert told["UV_HTTP_TIMEOUT"] == "60"
    assert installer.translate_pip_config("") == {}


def test_missing_folder_does_not_matter(tmp_path):
    """A configured folder that doesn't exist isn't passed on to uv, which would fail. (pip only warns.)"""
    listed = "\n".join(
        [
            f"global.find-links='{tmp_path} {tmp_path}/none https://a.example/wheels'",
            f":env:.extra-index-url='file://{tmp_path}/none/simple'",
        ]
    )
    assert installer.translate_pip_config(listed) == {"UV_FIND_LINKS": f"{tmp_path},https://a.example/wheels"}


def test_users_python_settings_stay_out(made, monkeypatch):
    """The user's own Python settings don't reach the environment."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", "/somewhere")
    inside = environment.clean_environment(made)
    assert "PYTHONPATH" not in inside
    assert inside["PATH"].split(os.pathsep)[0] == str(made.bin)
    assert inside["VIRTUAL_ENV"] == str(made.folder)
    assert not any("/somewhere" in value for key, value in inside.items() if key != "PATH")


# --- the locks ---


def test_a_missing_lock_is_said(clone):
    (clone / "lock" / "course.txt").unlink()
    says(course(clone, "build"), "course.txt is missing", "git checkout -- lock")


def test_locks_agree_with_the_project(root):
    """The locks fit the project's dependencies and name no host."""
    assert lockfiles.problems(root) == []


def test_disagreement_is_noticed(clone):
    pyproject, lock, conda = clone / "pyproject.toml", clone / "lock" / "course.txt", clone / "environment.yml"
    pyproject.write_text(pyproject.read_text().replace('"httpx', '"aiohttp",\n    "httpx'))
    lock.write_text("--index-url https://mirror.example\n" + re.sub(r"anyio==\S+", "anyio==0.1", lock.read_text()))
    conda.write_text(conda.read_text().replace("python=3.12", "python=3.10").replace("lock/course.txt", "other.txt"))
    found = "; ".join(lockfiles.problems(clone))
    assert "lock/course.txt was not made from this pyproject.toml" in found
    assert "lock/course.txt names an index" in found
    assert "environment.yml does not pin a Python" in found
    assert "environment.yml does not install lock/course.txt" in found


def test_binder_reads_the_same_files(root):
    """repo2docker reads binder/ only, and conda resolves `-r lock/course.txt` beside the file that names it."""
    assert (root / "binder" / "environment.yml").resolve() == (root / "environment.yml").resolve()
    assert (root / "binder" / "lock" / "course.txt").resolve() == (root / "lock" / "course.txt").resolve()
    for name in ("start", "postBuild"):
        assert os.access(root / "binder" / name, os.X_OK)
    assert (root / "binder" / "start").read_text().rstrip().endswith('exec "$@"')
    done = subprocess.run(
        [root / "binder" / "start", "sh", "-c", 'echo "$COURSE_ENVIRONMENT $JUPYTER_CONFIG_PATH $1"', "sh", "a b"],
        cwd=root, env=variables(REPO_DIR=str(root)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"ready {root / 'autograder' / 'jupyter'} a b\n"


# --- what the tests need ---


def test_missing_chromium_is_an_error(monkeypatch):
    """A CHROMIUM variable that names no program is an error."""
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    with pytest.raises(SetupError, match="CHROMIUM is set to /no/such/browser"):
        test_command.find_chromium()


def test_broken_chromium_is_ignored(monkeypatch, tmp_path):
    """Ubuntu's package of that name is a stub that asks for snap."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\nexit 10\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert test_command.find_chromium() is None
    stub.write_text("#!/bin/sh\necho 1\n")
    assert test_command.find_chromium() == str(stub)


def test_playwright_needs_its_library(monkeypatch):
    """Playwright isn't asked for its browser if its library isn't installed."""
    monkeypatch.setattr(test_command, "find_library", lambda name: False)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)  # importing it would fail
    assert test_command.playwright_chromium() is None


def tea(found) -> test_command.Program:
    """A program named tea, which ``found()`` finds."""
    return test_command.Program("tea", ("tea-server",), found, "or grow some")


def test_present_program_is_not_installed(monkeypatch, capfd):
    """A program that is there isn't installed again."""
    monkeypatch.setattr(test_command, "_quietly", lambda command: pytest.fail("installed"))
    test_command.install_programs([tea(lambda: True)])
    assert capfd.readouterr().err == ""


def test_root_installs_missing_programs(monkeypatch, capfd):
    """Root installs a missing program, and a message says so."""
    commands, there = [], []
    monkeypatch.setattr(test_command, "may_install", lambda: True)
    monkeypatch.setattr(test_command, "_quietly", lambda command: commands.append(command) or there.append(1) or "")
    test_command.install_programs([tea(lambda: there)])
    assert commands[-1][:3] == ["apt-get", "install", "-y"] and commands[-1][-1] == "tea-server"
    said = capfd.readouterr().err
    assert "Installing tea-server" in said and "can't run here" not in said


def test_missing_package_stops_no_other(monkeypatch):
    """A package that apt doesn't know doesn't keep the others from being installed."""
    commands = []
    answer = "E: Unable to locate package chromium"
    monkeypatch.setattr(test_command, "_quietly", lambda command: commands.append(command) or answer)
    test_command.apt_get("chromium", "bubblewrap")
    assert [command[4:] for command in commands[2:]] == [["chromium"], ["bubblewrap"]]


@pytest.mark.parametrize("has_apt", [True, False])
def test_apt_is_asked_before_playwright(monkeypatch, has_apt):
    commands = []
    monkeypatch.setattr(test_command, "may_install", lambda: has_apt)
    monkeypatch.setattr(test_command, "_quietly", lambda command: commands.append(command) or "")
    monkeypatch.setattr(
        test_command, "chromium", chromium := test_command.Program("Chromium", ("chromium",), lambda: 0)
    )
    test_command.install_programs([chromium])
    programs = [Path(command[0]).name if "apt-get" in command[0] else command[2] for command in commands]
    assert programs == ["apt-get"] * 2 * has_apt + ["playwright"]


@pytest.mark.parametrize("root", [True, False])
def test_everything_missing_is_one_message(monkeypatch, capfd, root):
    monkeypatch.setattr(test_command, "may_install", lambda: root)
    monkeypatch.setattr(test_command, "_quietly", lambda command: "getaddrinfo ENOTFOUND")
    test_command.install_programs([tea(lambda: False), test_command.Program("cake", ("cake",), lambda: False)])
    said = capfd.readouterr().err
    assert said.endswith(
        "  - tea isn't installed (apt-get install tea-server, or grow some)\n  - cake isn't installed (apt-get install cake)\n"
    )
    assert said.count("Some tests can't run here") == 1
    assert ("index cannot be reached" in said) == root


def test_every_program_is_listed():
    """Each program that tests need is in `PROGRAMS`, so a missing capability can name its packages."""
    assert all(program.packages and program.name for program in test_command.PROGRAMS)
    assert len(test_command.PROGRAMS) == len(
        [v for v in vars(test_command).values() if isinstance(v, test_command.Program)]
    )


def test_mysql_is_found_by_url(monkeypatch, tmp_path):
    """MySQL is found on the machine or by its URL."""
    monkeypatch.delenv("COURSE_MYSQL_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(test_command.mysql, "PLACES", ())
    assert not test_command.find_mysql()
    monkeypatch.setenv("COURSE_MYSQL_URL", "mysql://me@127.0.0.1/x")
    assert test_command.find_mysql()


def test_quick_needs_no_programs(monkeypatch):
    started = []
    monkeypatch.setattr(test_command, "install_programs", lambda: pytest.fail("looked for programs"))
    monkeypatch.setattr(test_command.os, "chdir", lambda folder: None)
    monkeypatch.setattr(test_command.os, "execve", lambda program, command, variables: started.append(command))
    test_command.main(["--quick", "-x"])
    assert started[0][4:6] == ["-m", test_command.QUICK] and started[0][6:] == ["-x"]


# --- JupyterLab ---


@pytest.fixture
def learner(root, clone):
    """A clone with a notebook, in which `lab` runs on the environment of the clone under test."""
    notebook = clone / "notebooks" / jupyterlab.FIRST
    notebook.parent.mkdir(parents=True)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": "1 + 1"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return clone


@contextlib.contextmanager
def lab(folder: Path, *arguments: str):
    """`lab --no-browser` as `./course` enters it; yields the process and the address that it printed."""
    env = Environment(folder)
    inside = environment.clean_environment(env)
    # The packages are those of the environment that the tests run in; all else is the clone's own.
    inside.update(VIRTUAL_ENV=sys.prefix, PYTHONPATH=str(folder))
    inside["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), inside["PATH"]])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "autograder", "lab", "--no-browser", *arguments],
        cwd=folder, env=inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


def ask(address: str, token: str, path: str, method: str = "GET", body: dict | None = None):
    request = urllib.request.Request(
        address + path,
        method=method,
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
        data=None if body is None else json.dumps(body).encode(),
    )
    with urllib.request.urlopen(request, timeout=INITIAL_QUIET_S) as answer:
        return json.loads(answer.read())


@pytest.mark.long
def test_lab_serves_and_ends_cleanly(learner):
    """The lab prints an address that works, and ends without leaving a process."""
    with lab(learner) as (process, address):
        host, page, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+)(/\S+)\?token=(\w+)", address).groups()
        assert page == "/lab/tree/00_start_here/lesson_00_start_here.ipynb"
        with urllib.request.urlopen(address, timeout=INITIAL_QUIET_S) as answer:
            html = answer.read().decode()
            assert answer.status == 200 and "jupyter-config-data" in html
        config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', html, re.S)[1])
        assert config["news"] == {"disabled": True}
        assert "@jupyter/nbgrader:course-list" in config["disabledExtensions"]
        assert "@jupyter/nbgrader:validate-assignment" not in config["disabledExtensions"]

        assert set(ask(host, token, "/api/kernelspecs")["kernelspecs"]) == {"python3"}
        kernel = ask(host, token, "/api/kernels", "POST", {"name": "python3", "path": "00_start_here"})
        assert kernel["name"] == "python3"
        channels = f"{host.replace('http', 'ws')}/api/kernels/{kernel['id']}/channels?token={token}"
        with contextlib.closing(websocket.create_connection(channels, timeout=INITIAL_QUIET_S)):
            wait_for(lambda: ask(host, token, f"/api/kernels/{kernel['id']}")["execution_state"] == "idle", process)
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("ipykernel" in " ".join(child.cmdline()) for child in children)

        process.send_signal(signal.SIGINT)
        assert process.wait(INITIAL_QUIET_S) == 0
        assert [child for child in children if child.is_running()] == [], "the kernels ended with the server"
        # a kernel that is interrupted before it is idle again says so itself
        others = ("    still starting", "[IPKernelApp]")
        said = [line for line in process.stderr.read().splitlines() if not line.startswith(others)]
    assert [line.split("(")[0].strip() for line in said] == [
        "Starting JupyterLab ...",
        "The course is open in JupyterLab at this address",
        "Stopped.",
    ]


def test_used_port_is_reported(learner):
    """A port in use is reported, with what to do."""
    with socket.socket() as taken:
        taken.bind((jupyterlab.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} is in use: choose another, or leave out --port"):
            jupyterlab.check_port(port)
    jupyterlab.check_port(port)


def test_where_lab_starts(learner, tmp_path, monkeypatch):
    notebooks = learner / "notebooks"
    assert jupyterlab.start_page(notebooks, None) == f"/lab/tree/{jupyterlab.FIRST}"
    other = notebooks / "01 é" / "lesson.ipynb"
    other.parent.mkdir()
    other.write_text("{}")
    assert jupyterlab.start_page(notebooks, "01 é/lesson.ipynb") == "/lab/tree/01%20%C3%A9/lesson.ipynb"
    monkeypatch.chdir(learner)
    assert jupyterlab.start_page(notebooks, "notebooks/01 é/lesson.ipynb") == "/lab/tree/01%20%C3%A9/lesson.ipynb"
    for wrong in ("02/lesson.ipynb", "/etc/passwd"):
        with pytest.raises(SetupError, match="leave it out"):
            jupyterlab.start_page(notebooks, wrong)
    with pytest.raises(SetupError, match="run ./course build"):
        jupyterlab.start_page(tmp_path / "empty", None)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], False),
        (["-q"], False),
        (["--require-all", "-x"], False),
        (["tests/unit"], True),
        (["tests/unit/test_errors.py::test_x"], True),
        (["-k", "files"], True),
        (["-m", "slow"], True),
    ],
)
def test_named_tests_are_all_run(words, named):
    """A part of each family of tests is left out unless tests are named."""
    assert test_command.selects_tests(words) is named


@pytest.mark.parametrize(
    ("words", "again"), [([], True), (["-q"], True), (["--all"], False), (["--quick"], False), (["-k", "x"], False)]
)
def test_only_whole_runs_rerun(monkeypatch, words, again):
    """Failed tests are run again only in a run without test names, and not with --all."""
    commands = []
    monkeypatch.setattr(test_command, "install_programs", lambda: None)
    monkeypatch.setattr(test_command, "any_chromium", lambda: None)
    monkeypatch.setattr(os, "chdir", lambda path: None)
    monkeypatch.setattr(os, "execve", lambda program, command, variables: commands.append(command))
    monkeypatch.setattr(test_command.subprocess, "call", lambda command, **more: commands.append(command))
    test_command.main(words)
    assert ("--reruns" in commands[0]) is again
