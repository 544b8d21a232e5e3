#!/usr/bin/env python3
"""Try the course in the situations in which people clone it, and print a table: ``sudo python3 .ci/matrix.py``.

Each situation is a separate machine: a minimal Debian 12 from debootstrap (or a newer one, for a newer Python) with only
Python, git and curl, in its own mount and PID namespaces. This clone's HEAD is cloned into it, and there the script runs

* ``./course lab --no-browser``, until JupyterLab responds at the URL that it prints;
* ``./course grade`` on two correct submissions, which must get all points, and on an untouched one, which must not;
* ``./course test`` on the tests that depend on the machine (or on all of them, with ``--whole``).

It needs root on Linux, debootstrap, overlayfs, about 6 GB of disk space, and a network. The first run takes about 30 minutes
on an idle machine. ``--list`` names the situations, and names as arguments select some of them. ``--share PATH`` mounts a file
or folder of this machine at the same path in the others, such as pip's configuration or a certificate. Environment variables
that begin with PIP_, UV_ or SSL_ are passed on. The exit code is 0 if every situation works as expected.

The last outcome of each situation is stored in the folder, and the table shows them all. ``--record FILE`` also writes the
table into that file, between the two marker comments.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = "python3,python3-venv,git,curl,ca-certificates"
MIRROR = "http://deb.debian.org/debian"
SCRIPT = "/usr/share/debootstrap/scripts/sid"  # debootstrap has none for releases that are newer than itself
LESSONS = ("05_files", "06_subprocesses")  # they depend most on the machine: named pipes, and a command
PARTS = ("tests/sandbox/test_sandbox.py", "tests/sandbox/test_learners_tests.py")
STEPS = ("lab", "grade", "test")
STEP_LIMIT_S = 3600.0
USER = 1234  # user id of the ordinary user
READY = "/srv/course"  # the clone, with its environment, that situations without a path of their own share
MARKS = ("<!-- matrix: begin -->", "<!-- matrix: end -->")


@dataclass(frozen=True)
class Situation:
    """One way to have the clone on a machine. ``setup`` is a shell script that root runs there before each step."""

    name: str
    says: str
    isolation: str  # the level that ./course grade must report
    clone: str = READY  # path of the clone
    start: str = ""  # working directory, if it isn't the clone
    setup: str = ""
    user: bool = False  # run as an ordinary user, not as root
    named: bool = True  # that user is in /etc/passwd
    bubblewrap: bool = True  # installed beforehand
    chroot: bool = False  # use only chroot, as in a container in which bubblewrap doesn't work
    namespaces: bool = True  # ordinary users may create user namespaces
    suite: str = "bookworm"  # Debian's release, which decides Python's version
    environment: dict[str, str] = field(default_factory=dict)


SITUATIONS = (
    # ./course test installs bubblewrap here, so the tests run at the level of namespaces
    Situation("minimal", "root, minimal Debian 12, clone in a closed home", "limits", "/root/course", bubblewrap=False),
    Situation("tmp", "root, clone below /tmp", "namespaces", "/tmp/try/course"),
    Situation("names", "root, a path with spaces and non-ASCII letters", "namespaces", "/srv/Käse & Brot/der Kurs"),
    Situation("symlink", "root, through a symbolic link", "namespaces", start="/root/link", setup=f"ln -sfn {READY} /root/link"),
    Situation("owner", "root, a clone that another user owns", "namespaces", setup=f"chown -R {USER}:{USER} {READY}"),
    Situation(
        "home", "root, a read-only home", "namespaces",
        setup="mkdir -p /home/ro && mount --bind /home/ro /home/ro && mount -o remount,ro,bind /home/ro",
        environment={"HOME": "/home/ro"},
    ),
    Situation(
        "tmpdir", "root, TMPDIR elsewhere, with a long name", "namespaces",
        setup=f"mkdir -p /var/{'long-' * 12}name/tmp", environment={"TMPDIR": f"/var/{'long-' * 12}name/tmp"},
    ),
    Situation(
        "noexec", "root, noexec on /tmp", "namespaces", setup="mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /tmp"
    ),
    Situation("user", "an ordinary user, with user namespaces", "namespaces", user=True),
    Situation("nameless", "an ordinary user without a name, as in some containers", "namespaces", user=True, named=False),
    Situation("no-userns", "an ordinary user, without user namespaces", "limits", user=True, namespaces=False),
    Situation("chroot", "root in a chroot, where bubblewrap cannot work", "user", chroot=True),
    Situation("chroot-home", "the same, clone in a closed home", "limits", "/root/course", chroot=True),
    Situation("python-3.13", "root, Debian 13 with Python 3.13", "namespaces", "/opt/course", suite="trixie"),
    Situation("python-3.14", "root, Debian testing with Python 3.14", "namespaces", "/opt/course", suite="forky"),
)  # fmt: skip


@dataclass
class Outcome:
    """The results of the steps in one situation, in words for the table."""

    situation: Situation
    lab: str = "not run"
    grade: str = "not run"
    tests: str = "not run"
    good: bool = False
    seconds: float = 0.0


class Machine:
    """A root file system made of overlayfs layers, in which commands run as on a separate machine.

    A layer contains its root as the subfolder ``root``, so the root isn't a mount point unless a bind mount makes it one.
    """

    def __init__(self, layers: Sequence[Path], scratch: Path, share: Sequence[Path]) -> None:
        self.scratch = scratch
        self.share = share
        self.upper, mounted = scratch / "upper", scratch / "mounted"
        self.root = mounted / "root"
        for folder in (self.upper / "root", scratch / "work", mounted):
            folder.mkdir(parents=True, exist_ok=True)
        lower = ":".join(map(str, layers))
        self.mount = (
            f"mount -t overlay overlay -o lowerdir={lower},upperdir={self.upper},workdir={scratch / 'work'} {mounted}"
        )

    def run(self, script: str, situation: Situation, limit: float = STEP_LIMIT_S) -> subprocess.CompletedProcess:
        """Run a shell script on the machine. ``stdout`` of the result also contains stderr."""
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        passed = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "UV_", "SSL_"))}
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": f"/home/{USER}" if situation.user else "/root",
            "LANG": "C.UTF-8",
            **passed,
        }
        try:
            return subprocess.run(
                [*words, "sh", "-ec", self._enter(situation), "sh", script],
                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", timeout=limit,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
            return subprocess.CompletedProcess(
                [], 124, said.decode(errors="replace") if isinstance(said, bytes) else said
            )

    def _enter(self, situation: Situation) -> str:
        """Return a shell script that mounts everything and then runs its argument $1 on the machine."""
        root = shlex.quote(str(self.root))
        lines = [self.mount, *([] if situation.chroot else [f"mount --bind {root} {root}"])]
        lines += [f"cd {root}", "mount -t proc proc proc", "mount --rbind /dev dev"]
        lines += ["cat /etc/resolv.conf > etc/resolv.conf"]
        for path in self.share:
            inside = shlex.quote(str(path).lstrip("/"))
            make = f"mkdir -p {inside}" if path.is_dir() else f"mkdir -p $(dirname {inside}); touch {inside}"
            lines += [make, f"mount --rbind {shlex.quote(str(path))} {inside}"]
        inner = f"mkdir -p /home/{USER}; chown {USER} /home/{USER}; {situation.setup or ':'}; "
        if situation.named:
            inner += f"echo ada:x:{USER}:{USER}::/home/{USER}:/bin/sh >> /etc/passwd; "
        inner += "".join(f"export {name}={shlex.quote(value)}; " for name, value in situation.environment.items())
        who = f"setpriv --reuid {USER} --regid {USER} --clear-groups " if situation.user else ""
        inner += f'exec {who}sh -c "$1"'
        if not situation.namespaces:
            inner = "echo 0 > /proc/sys/user/max_user_namespaces; " + inner
        run = f'sh -ec {shlex.quote(inner)} sh "$1"'
        if not situation.namespaces:
            # the limit applies to one user namespace, so create one with the same users
            run = f"python3 -c {shlex.quote(IN_USER_NAMESPACE)} {run}"
        if situation.chroot:
            lines += [f"exec chroot . {run}"]
        else:
            lines += ["mkdir -p .old", "pivot_root . .old", "cd /", "umount -l .old", f"exec {run}"]
        return "\n".join(lines)


# Runs a command in a user namespace that maps the same users. (`unshare` would need newuidmap for that.)
IN_USER_NAMESPACE = """
import ctypes, os, sys
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    assert ctypes.CDLL(None).unshare(0x10000000 | 0x20000) == 0
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
for name in ("uid_map", "gid_map"):
    with open(f"/proc/{child}/{name}", "w") as file:
        file.write("0 0 65536")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
"""
LAB = """
import os, re, signal, subprocess, sys, urllib.request
process = subprocess.Popen(["./course", "lab", "--no-browser"], stdout=subprocess.PIPE, text=True, start_new_session=True)
try:
    address = process.stdout.readline().strip()
    print("address:", re.sub("token=.*", "token=...", address))
    with urllib.request.urlopen(address, timeout=120) as reply:
        print("status:", reply.status)
finally:
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()
"""


def submissions(folder: Path) -> None:
    """Write a correct submission for each of the `LESSONS`, and an untouched one."""
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in LESSONS:
        with (ROOT / "solutions" / lesson / "exercise.toml").open("rb") as file:
            exercise = tomllib.load(file)
        notebook = json.loads((ROOT / "notebooks" / lesson / f"exercise_{lesson}.ipynb").read_text(encoding="utf-8"))
        (folder / "untouched.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        for endpoint in exercise["endpoint"]:
            answer = ROOT / "solutions" / lesson / "answers" / endpoint["id"] / "reference.py"
            for cell in notebook["cells"]:
                first, _, _ = "".join(cell["source"]).partition("\n")
                if cell["cell_type"] == "code" and first.split()[-1:] == [endpoint["file"]]:
                    cell["source"] = f"{first}\n{answer.read_text(encoding='utf-8')}"
        (folder / f"right-{lesson}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def judged(said: str, situation: Situation) -> tuple[str, bool]:
    """Return a summary of the output of ``./course grade --json``, and whether the grades are as expected."""
    try:
        results = json.loads(said[said.index("{\n") :])["submissions"]
    except (ValueError, KeyError):
        return f"failed: {last_line(said)}", False
    right = [result for result in results if Path(result["path"]).name.startswith("right")]
    untouched = [result for result in results if result not in right]
    levels = {result["isolation"] for result in results}
    fair = all(result["points"] == result["max_points"] for result in right) and len(right) == len(LESSONS)
    fair = fair and all(0 < result["points"] < result["max_points"] for result in untouched) and bool(untouched)
    points = ", ".join(f"{result['points']:g} of {result['max_points']:g}" for result in (*right, *untouched))
    return f"{', '.join(sorted(levels))}: {points}", fair and levels == {situation.isolation}


def last_line(said: str) -> str:
    """Return the last line of an output, shortened, so that it fits into a table."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no output"]
    return lines[-1][:100].replace("|", "/")


def try_one(situation: Situation, machine: Machine, arguments: argparse.Namespace) -> Outcome:
    """Run the steps in one situation, and log their output."""
    began = time.monotonic()
    outcome = Outcome(situation)
    log = arguments.folder / "logs" / f"{situation.name}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("")
    where = f"cd {shlex.quote(situation.start or situation.clone)} && "

    def step(script: str) -> subprocess.CompletedProcess:
        done = machine.run(where + script, situation)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {script}\n{done.stdout}\nexit code {done.returncode}\n\n")
        return done

    good = []
    if "lab" in arguments.steps:
        done = step(f"python3 -c {shlex.quote(LAB)}")
        good.append(done.returncode == 0 and "status: 200" in done.stdout)
        outcome.lab = "opens" if good[-1] else f"failed: {last_line(done.stdout)}"
    if "grade" in arguments.steps:
        outcome.grade, fair = judged(step("./course grade --json /srv/submissions").stdout, situation)
        good.append(fair)
    if "test" in arguments.steps:
        # where everything is available, no test may be skipped
        strict = "" if situation.user or situation.chroot else " --require-all"
        done = step(f"./course test {('' if arguments.whole else arguments.tests) + strict} -q -rs")
        outcome.tests = counted(done.stdout) if done.returncode in (0, 1) else f"failed: {last_line(done.stdout)}"
        good.append(done.returncode == 0)
    outcome.good = all(good)
    outcome.seconds = time.monotonic() - began
    return outcome


def store(outcome: Outcome, folder: Path) -> None:
    """Write an outcome into a file, for the table of later runs."""
    folder.mkdir(exist_ok=True)
    fields = {key: value for key, value in vars(outcome).items() if key != "situation"}
    (folder / f"{outcome.situation.name}.json").write_text(json.dumps(fields))


def stored_outcomes(folder: Path) -> list[Outcome]:
    """Return the last outcome of each situation that was ever tried on this machine."""
    found = []
    for situation in SITUATIONS:
        file = folder / f"{situation.name}.json"
        if file.exists():
            found.append(Outcome(situation, **json.loads(file.read_text())))
    return found


def counted(said: str) -> str:
    """Return pytest's summary line without the duration."""
    found = re.findall(r"^=*\s*((?:\d+ \w+(?:, )?)+) in [\d.]+s", said, re.M)
    return found[-1] if found else last_line(said)


def prepared(suite: str, arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Return two layers: a minimal Debian, and what bubblewrap adds to it. They're made only the first time."""
    base, more = arguments.folder / suite / "debian", arguments.folder / suite / "bubblewrap"
    if not (base / "root/usr/bin/git").exists():
        say(f"Making a minimal Debian ({suite}) ...")
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(base / "root"), arguments.mirror, SCRIPT],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    # a mirror may be older than a testing release allows
    (base / "root/etc/apt/apt.conf.d/99course").write_text('Acquire::Check-Valid-Until "false";\n')
    if not (more / "upper/root/usr/bin/bwrap").exists():
        say("Adding bubblewrap ...")
        install = (
            "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends bubblewrap"
        )
        done = Machine([base], more, arguments.share).run(install, Situation("", "", ""))
        if done.returncode:
            sys.exit(f"bubblewrap can't be installed in the minimal Debian: {last_line(done.stdout)}")
    return base, more / "upper"


def clone_into(upper: Path, situation: Situation) -> None:
    """Clone this clone's HEAD into a machine's top layer, and write the submissions there."""
    upper = upper / "root"
    place = upper / situation.clone.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if situation.clone.startswith("/tmp"):
        (upper / "tmp").chmod(0o1777)
    if situation.clone.startswith("/root"):
        (upper / "root").chmod(0o700)
    if place.exists():  # from an earlier run
        subprocess.run(["git", "-C", str(place), "fetch", "-q", str(ROOT), "HEAD"], check=True)
        subprocess.run(["git", "-C", str(place), "reset", "-q", "--hard", "FETCH_HEAD"], check=True)
    else:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(place)], check=True)
    if situation.user:
        subprocess.run(["chown", "-R", f"{USER}:{USER}", str(place)], check=True)
    submissions(upper / "srv" / "submissions")


def say(line: str) -> None:
    """Print a progress line to stderr, unbuffered."""
    print(line, file=sys.stderr, flush=True)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of outcomes as Markdown."""
    lines = ["| situation | JupyterLab | grading | tests | |", "|---|---|---|---|---|"]
    for outcome in outcomes:
        cells = (
            outcome.situation.says,
            outcome.lab,
            outcome.grade,
            outcome.tests,
            mark(outcome),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def mark(outcome: Outcome) -> str:
    """Return the last column of the table: whether the situation works as expected."""
    if not outcome.good:
        return "**not ok**"
    return "ok, in part" if "not run" in (outcome.lab, outcome.grade, outcome.tests) else "ok"


def record(file: Path, text: str) -> None:
    """Replace the text between the two markers of a file."""
    before, _, rest = file.read_text(encoding="utf-8").partition(MARKS[0])
    file.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", encoding="utf-8")


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Try the course in the situations in which people clone it.")
    parser.add_argument("names", nargs="*", help="the situations to try (default: all)")
    parser.add_argument("--list", action="store_true", help="list the situations and exit")
    parser.add_argument(
        "--whole", action="store_true", help="run the whole test suite, not only the tests that depend on the machine"
    )
    parser.add_argument(
        "--share", action="append", type=Path, default=[], metavar="PATH", help="mount this path in the machines"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp/course-matrix"), help="folder for the machines and outcomes (%(default)s)"
    )
    parser.add_argument(
        "--tests", default=" ".join(PARTS), metavar="ARGUMENTS", help="arguments of ./course test (%(default)s)"
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="run only these commands")
    parser.add_argument("--mirror", default=MIRROR, help="mirror of Debian's packages")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the table into this file")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {situation.name for situation in SITUATIONS}
    if unknown:
        parser.error(f"there is no situation {', '.join(sorted(unknown))}; --list names them")
    return arguments


def main() -> int:
    """Try the situations and print the table. Return an exit code."""
    arguments = parsed()
    if arguments.list:
        print("\n".join(f"{situation.name:12} {situation.says}" for situation in SITUATIONS))
        return 0
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        sys.exit("This needs root and debootstrap (Debian and Ubuntu: sudo apt install debootstrap).")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    arguments.folder.chmod(0o755)
    outcomes: list[Outcome] = []
    ready: Path | None = None  # the layer with a clone in READY that has its environment
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="run-") as run:
        for situation in SITUATIONS:
            if arguments.names and situation.name not in arguments.names:
                continue
            say(f"{situation.name}: {situation.says}")
            base, more = prepared(situation.suite, arguments)
            layers = [more, base] if situation.bubblewrap else [base]
            if situation.clone == READY and ready is None:
                plain = Situation("ready", "", "")
                machine = Machine(layers, arguments.folder / "ready", arguments.share)
                clone_into(machine.upper, plain)
                done = machine.run(f"cd {READY} && ./course build --check && ./course test --version", plain)
                if done.returncode:
                    sys.exit(f"./course can't set up its environment: {last_line(done.stdout)}")
                ready = machine.upper
            if situation.clone == READY and ready:
                layers = [ready, *layers]
            machine = Machine(layers, Path(run) / situation.name, arguments.share)
            if situation.clone != READY:
                clone_into(machine.upper, situation)
            elif situation.user:
                situation = owned(situation)
            outcomes.append(try_one(situation, machine, arguments))
            store(outcomes[-1], arguments.folder / "results")
            say(table(outcomes[-1:]).splitlines()[-1] + f" {outcomes[-1].seconds:.0f} s")
            if situation.clone != READY:
                shutil.rmtree(machine.scratch, ignore_errors=True)
    text = table(stored_outcomes(arguments.folder / "results"))
    print(text)
    if arguments.record:
        record(arguments.record, text)
    return 0 if all(outcome.good for outcome in outcomes) else 1


def owned(situation: Situation) -> Situation:
    """Return the situation with a set-up that makes the ordinary user the owner of the shared clone."""
    from dataclasses import replace

    return replace(situation, setup=f"chown -R {USER}:{USER} {READY}")


if __name__ == "__main__":
    sys.exit(main())
