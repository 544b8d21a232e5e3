"""A child process ends with its owner, and with it what it started; tried with real processes."""

import os
import re
import signal
import subprocess
import sys

import pytest
from helpers import gone, until

from autograder import paths
from autograder.managed_process import LAST_WORDS_BYTES, ManagedProcess

pytestmark = pytest.mark.posix
# prints its process id and that of a child which ends only if it's killed, and waits for its lifeline
PROGRAM = """
import os, sys, time
child = os.fork()
if child == 0:
    time.sleep(600)
print(os.getpid(), child, flush=True)
for line in sys.stdin:
    print("yes", flush=True)
"""


@pytest.fixture
def start():
    """A function that starts a script as a `ManagedProcess`."""
    started = []

    def start(script, **options):
        started.append(ManagedProcess([sys.executable, "-c", script], **options))
        return started[-1]

    yield start
    for process in started:
        process.kill_group()
        process.wait()
        process.close()


def test_process_ends_with_its_owner():
    """Also when that is killed: the kernel closes the lifeline."""
    script = (
        "import sys, time\nfrom autograder.managed_process import ManagedProcess\n"
        f"process = ManagedProcess([sys.executable, '-c', {PROGRAM!r} + 'os.killpg(0, 9)'])\n"
        "print(next(process.lines()), flush=True)\n"
        "process.send_line('are you there?')\n"
        "print(next(process.lines()), flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2 and [owner.stdout.readline() for _ in range(2)] == ["\n", "yes\n"]
    owner.kill()
    owner.communicate()
    until(lambda: all(map(gone, pids)))


def test_end_kills_what_it_started(start):
    process = start(PROGRAM.replace("for line in sys.stdin:", "while time.sleep(600):"))
    pid, child = map(int, next(process.lines()).split())
    assert pid == process.pid == os.getpgid(child), "it leads a group"
    process.end()
    assert process.returncode == -signal.SIGKILL
    until(lambda: gone(child))


@pytest.mark.parametrize("grace_s", [600.0, None])
def test_end_lets_it_end(start, grace_s):
    process = start("import sys\nprint(1, flush=True)\nsys.stdin.read()\nsys.exit(7)")
    next(process.lines())
    process.end(grace_s)
    assert process.returncode == 7


def test_end_loses_patience(start):
    process = start("import time\nprint(1, flush=True)\ntime.sleep(600)")
    next(process.lines())
    process.end(0.05)
    assert process.returncode == -signal.SIGKILL


def test_group_ends_without_its_leader(start):
    """A process group is killed even if its leader has ended."""
    process = start(PROGRAM)
    _, child = map(int, next(process.lines()).split())
    process.end(None)
    assert process.returncode == 0 and not gone(child)
    process.kill_group()
    until(lambda: gone(child))


def test_lines_go_both_ways(start):
    process = start("while True: print(input().upper(), flush=True)")
    for line in ("tea", "crème brûlée"):
        process.send_line(line)
        assert next(process.lines()) == line.upper() + "\n"
    process.end()
    assert list(process.lines()) == [] and not process.alive
    with pytest.raises((OSError, ValueError)):
        process.send_line("more")


def test_last_words_are_kept(start):
    script = f"import sys\nprint('x' * {2 * LAST_WORDS_BYTES} + '\\n', '\\nnot this', file=sys.stderr)\nraise SystemExit('the disk is full')"
    process = start(script, keep_errors=True)
    process.wait()
    assert process.last_words() == "the disk is full"
    silent = start("", keep_errors=True)
    silent.wait()
    assert silent.last_words() == start(script).last_words() == ""


def test_processes_have_no_other_owners():
    """Those that have a reason are named in the docstring of `autograder.managed_process`."""
    found = {
        file.relative_to(paths.ROOT / "autograder").as_posix()
        for file in (paths.ROOT / "autograder").rglob("*.py")
        if not file.is_relative_to(paths.TAKEHOME)  # a project of its own
        and "monitored" not in file.parts  # apps
        and re.search(
            r"subprocess\.Popen\(\n|= subprocess\.Popen\(|subprocess_exec\(|\(subprocess\.Popen\)", file.read_text()
        )
    }
    others = {"bootstrap/installer.py", "bootstrap/environment.py", "benchmarks/class_grading.py"}
    assert found == {*others, "programs/supervisor.py", "classroom/worker_pool.py"}
