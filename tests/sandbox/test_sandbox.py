"""The sandbox: what an app in it can reach, what it cannot, and that nothing of it is left afterwards."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from helpers import gone, reachable_by_all, until

from autograder import paths
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.exercise import load
from autograder.judge.verdict import AnswerFault
from autograder.lab import run_race
from autograder.lab.app_errors import AppError
from autograder.lab.server import Server
from autograder.programs.messages.races import RaceRequest
from autograder.programs.procfs import descendants
from autograder.sandbox import bubblewrap, launcher, levels
from autograder.sandbox.launcher import Sandbox, SandboxError, reachable

pytestmark = pytest.mark.linux
NAMESPACES = pytest.param("namespaces", marks=pytest.mark.sandbox)
APP = "from fastapi import FastAPI\napp = FastAPI()\n"


@pytest.fixture(scope="module")
def sandbox():
    """A sandbox of the level ``namespaces``; tests that use it are marked ``sandbox``."""
    found = levels.at_least("required")
    yield found.sandbox
    found.sandbox.close()


def serve(sandbox, folder, text, environment=None, **more):
    """Serve an app with this source code and return the `Server`."""
    file = folder / "app.py"
    file.write_text(text)
    server = Server(file, environment, inherit=False, start=lambda *told: sandbox.start(*told, **more))
    try:
        return server.wait_until_ready()
    except BaseException:
        server.stop()
        raise


def said(sandbox, folder, look, environment=None, **more):
    """Return the value of the expression ``look``, evaluated while an app is imported."""
    file = folder / "app.py"
    file.write_text(
        f"import json, os, sys, socket, subprocess, pathlib\nprint(json.dumps({look}), flush=True)\n1 / 0\n"
    )
    server = Server(file, environment, inherit=False, start=lambda *told: sandbox.start(*told, **more))
    with pytest.raises(AppError, match="ZeroDivisionError"):
        server.wait_until_ready()
    return json.loads(server.log.splitlines()[0])


@pytest.mark.parametrize(("losses", "found"), [(1, "namespaces"), (levels.PROBES, "limits")])
def test_killed_probe_is_repeated(monkeypatch, losses, found):
    """A probe that's killed from outside is repeated, and counts against the machine only if that happens each time."""
    tried = []

    def lost_at_first(level, **more):
        tried.append(level)
        if level != "limits" and tried.count("namespaces") <= losses:
            raise levels.ProbeLost("its sandbox was ended from outside") if level == "namespaces" else OSError("no")

    monkeypatch.setattr(levels, "_tried", lost_at_first)
    monkeypatch.delenv("COURSE_ISOLATION_CEILING", raising=False)
    assert levels.at_least().level == found
    assert tried.count("user") <= 1


@pytest.mark.parametrize("level", ["limits", NAMESPACES])
def test_every_level_serves_a_race(tmp_path, level):
    """At each isolation level an app is served, raced, sampled from outside and ended."""
    sandbox = Sandbox(level)
    try:
        text = APP + "import asyncio\n@app.get('/x')\nasync def x():\n    await asyncio.sleep(0.1)\n    return 1\n"
        server = serve(sandbox, tmp_path, text)
        race = asyncio.run(run_race.race("/x", 4, app=server, show=False))
        assert all(request.ok for request in race.requests) and len(race.canaries) > 1
        asked = [RaceRequest(0, "GET", "/x")]
        sampled = asyncio.run(run_race.run(server, asked, title="x", sample=True))
        assert len(sampled.samples) > 5, "the loop thread is seen from outside"
        assert len(server.watchers) >= 2 and all(Path(f"/proc/{server.pid}/task/{t}").exists() for t in server.watchers)
        server.stop()
        assert gone(server.pid)
    finally:
        sandbox.close()


@pytest.mark.sandbox
def test_sandboxed_blocking_line_is_named(sandbox, tmp_path):
    """The blocking line of a sandboxed app is named."""
    text = APP + "import time\n@app.get('/x')\nasync def x():\n    time.sleep(0.2)\n"
    server = serve(sandbox, tmp_path, text)
    race = asyncio.run(run_race.race("/x", 2, app=server, show=False))
    server.stop()
    assert race.blocked and race.worst_block.cause == "time.sleep(0.2) in line 6"


@pytest.mark.sandbox
def test_sandboxed_app_sees_only_itself(sandbox, tmp_path, monkeypatch):
    """A sandboxed app sees Python and its own files, and no secrets, processes or networks."""
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    seen = said(
        sandbox,
        tmp_path,
        f"""{{
            "environment": dict(os.environ), "processes": [n for n in os.listdir("/proc") if n.isdigit()],
            "tmp": os.listdir({os.path.realpath("/tmp")!r}), "here": os.listdir("."),
            "exists": [p for p in {[str(paths.SOLUTIONS), str(paths.ROOT / "tests"), "/home", "/etc/shadow", "/sys"]}
                       if os.path.exists(p)],
            "interfaces": [name for _, name in socket.if_nameindex()], "uid": os.getuid(),
            "writable": [p for p in ("/", "/usr", "/etc", "/dev", "/proc/sys/kernel/hostname", sys.prefix)
                         if os.access(p, os.W_OK)],
            "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")],
            "descriptors": sorted(os.listdir("/proc/self/fd"))[:9],
        }}""",
        {"GIVEN": "yes"},
    )
    assert "hush" not in json.dumps(seen) and seen["environment"]["GIVEN"] == "yes"
    assert set(seen["environment"]) <= {"GIVEN", "HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER"} | {
        name for name in seen["environment"] if name.startswith("LC_")
    }
    assert seen["processes"] == ["1", "2"]
    assert seen["here"] == ["app.py"] and not seen["exists"] and not seen["writable"]
    assert seen["interfaces"] == ["lo"]
    assert set(seen["capabilities"]) == {"0" * 16}
    if os.geteuid() == 0:
        assert seen["uid"] != 0


@pytest.mark.sandbox
def test_only_named_services_are_reached(sandbox, tmp_path):
    """A sandboxed app reaches the services in its environment and no other port."""
    with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [sock.getsockname()[1] for sock in (named, other)]
        look = (
            '[(lambda s: s.connect_ex(("127.0.0.1", port)) or s.sendall(b"hello") or 0)(socket.socket()) '
            f"for port in {ports}]"
        )
        codes = said(sandbox, tmp_path, look, {"SHOP_URL": f"http://127.0.0.1:{ports[0]}/"})
        assert codes[0] == 0 and codes[1] != 0
        connection, _ = named.accept()
        with connection:
            connection.settimeout(20)
            assert connection.recv(10) == b"hello"
        other.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.accept()


def test_addresses_in_an_environment():
    addresses, inside = reachable(
        {"A": "http://127.0.0.1:1/x", "B": "10.0.0.1:2", "C": "redis://u:p@db.example/0", "D": "/x", "E": "no"}, [7]
    )
    assert reachable({"A": "http://127.0.0.1:8000"}, {8000: "/tmp/app"})[0] == {8000: "/tmp/app"}
    assert addresses == {1: ("127.0.0.1", 1), 2: ("10.0.0.1", 2), 6379: ("db.example", 6379), 7: ("127.0.0.1", 7)}
    assert inside["B"] == "127.0.0.1:2" and inside["C"] == "redis://u:p@127.0.0.1:6379/0" and inside["D"] == "/x"


@pytest.mark.sandbox
def test_escaped_processes_end_with_app(sandbox, tmp_path):
    """A process that leaves the app's group still ends with the app."""
    text = APP + (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True:\n            time.sleep(1)\n    os._exit(0)\n"
    )
    server = serve(sandbox, tmp_path, text)
    # all processes of a sandbox have the same room of process ids, and nobody else has it
    room = os.readlink(f"/proc/{server.pid}/ns/pid")
    assert len(until(lambda: len(of_room(room)) >= 3 and of_room(room))) >= 3
    server.stop()
    until(lambda: not of_room(room))


def of_room(room):
    """Processes with that namespace of process ids."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.readlink(f"/proc/{name}/ns/pid") == room:
                    found.append(int(name))
            except OSError:
                pass
    return found


def test_escaped_process_ends_without_namespaces(tmp_path):
    """Without namespaces, too, a process that leaves the app's group is found and ended."""
    sandbox = Sandbox("limits")
    pid = tmp_path / "pid"
    text = APP + (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        open({str(pid)!r}, 'w').write(str(os.getpid()))\n        time.sleep(600)\n    os._exit(0)\n"
    )
    try:
        server = serve(sandbox, tmp_path, text)
        fled = int(until(lambda: pid.exists() and pid.read_text()))
        server.stop()
        assert gone(fled)
    finally:
        sandbox.close()


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "flood, says",
    [
        ("x = bytearray(4 << 30)", "MemoryError"),
        ("open('big', 'wb').write(bytes(200 << 20))", "OSError"),
        ("import os\nfor i in range(100_000): os.mkdir(f'd{i}')", "OSError"),
        (
            "import threading, time\nfor i in range(2000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "can't start new thread",
        ),
        ("import os\nfor i in range(5000): os.open('/dev/null', 0)", "Too many open files"),
    ],
)
def test_floods_end_at_a_limit(sandbox, tmp_path, flood, says):
    with pytest.raises(AppError, match=says):
        serve(sandbox, tmp_path, flood)


@pytest.mark.sandbox
def test_processes_share_the_memory_limit(sandbox, tmp_path):
    """All processes of an app together have no more memory than one."""
    text = "import os\nfor i in range(6):\n    if os.fork() == 0:\n        x = b'x' * (300 << 20)\n        os.read(0, 1)\nwhile True:\n    pass\n"
    with pytest.raises(AppError) as told:
        serve(sandbox, tmp_path, text)
    assert told.value.stage == "died"


@pytest.mark.sandbox
def test_fork_bomb_ends(sandbox, tmp_path):
    """The sandbox's init process counts the processes and ends a fork bomb, without an order from the judge."""
    file = tmp_path / "app.py"
    file.write_text("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n")
    process = sandbox.start(file, {})
    process.wait(300)
    process.close()
    process.stdout.close()
    assert process.exit_code == 137


@pytest.mark.sandbox
def test_second_app_finds_nothing(sandbox, tmp_path):
    """A second app finds no files or shared memory of the first."""
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        look = "[os.listdir(os.path.dirname(os.getcwd())), os.listdir('/dev/shm'), pathlib.Path('/dev/shm/left').write_text('x')]"
        mine, shared, _ = said(sandbox, folder, look)
        assert mine == [str(number)] and shared == []


@pytest.mark.sandbox
def test_sandbox_ends_with_its_owner(tmp_path):
    """Every process of a sandbox ends when its owner is killed."""
    file = tmp_path / "app.py"
    file.write_text("import os\nif os.fork() == 0:\n    os.setsid()\nwhile True:\n    pass\n")
    script = (
        "import sys, time\nfrom autograder.sandbox.launcher import Sandbox\nfrom pathlib import Path\n"
        f"process = Sandbox('namespaces').start(Path({str(file)!r}), {{}})\n"
        "print(process.app_pid, flush=True)\ntime.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True)
    app = int(owner.stdout.readline())
    room = os.readlink(f"/proc/{app}/ns/pid")
    assert not gone(app)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    until(lambda: not of_room(room))


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "lesson", ["01_sleeping", "02_calling_http", "03_databases", "04_redis", "05_files", "06_subprocesses"]
)
def test_sandbox_changes_no_verdict(sandbox, tmp_path, lesson):
    """In the sandbox references pass, and starters fail with the same kind of diagnosis as outside."""
    exercise = load(paths.SOLUTIONS / lesson)
    endpoint = exercise.endpoints[0]

    async def verdicts(kind):
        file = tmp_path / endpoint.file
        file.write_text(exercise.answer_file(endpoint, kind).read_text())
        async with ServedApp(file, endpoint.services, sandbox) as served:
            judge = Judge(file, endpoint, served)
            return [await judge.verdict_with_retries(part) for part in endpoint.parts]

    assert {verdict.outcome for verdict in asyncio.run(verdicts("reference"))} == {"pass"}
    told = asyncio.run(verdicts("starter"))[-1]
    assert (told.outcome, told.kind) == ("fail", endpoint.starter.kind)


def test_missing_isolation_names_its_cause(monkeypatch):
    """Without bubblewrap a lower level is used, and the message says what is missing."""
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    found = levels.at_least("limits")
    assert found.level in ("user", "limits") and "bubblewrap is not installed" in found.missing["namespaces"]
    assert "bubblewrap" in found.sentence
    found.sandbox.close()
    with pytest.raises(levels.IsolationUnavailable, match="bubblewrap is not installed"):
        levels.at_least("required")
    assert levels.at_least("none", ceiling="none").sandbox is None


@pytest.mark.sandbox
def test_python_below_temporary_folder_works(tmp_path, monkeypatch):
    """A Python below the folder of apps (a clone below /tmp) is visible in the sandbox, although that folder is covered."""
    place = Path(sys.prefix).parent
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    before = os.umask(0o077)  # the folders on the way there are made for apps of another user
    try:
        found = levels.at_least("required")
    finally:
        os.umask(before)
    try:
        with tempfile.TemporaryDirectory() as folder:
            look = (
                "[__import__('wave').__name__, __import__('jupytext').__file__, sorted(os.listdir(os.path.dirname(os.getcwd()))),"
                " os.access(sys.prefix, os.W_OK)]"
            )
            lazily, package, outside, writable = said(found.sandbox, Path(folder), look)
            assert lazily == "wave" and package.startswith(sys.prefix) and not writable
            assert set(outside) == {Path(folder).name, Path(sys.prefix).name}
    finally:
        found.sandbox.close()


@pytest.mark.parametrize("level", ["limits", NAMESPACES])
def test_long_temporary_folder_works(tmp_path, monkeypatch, level):
    """The path of a Unix socket has 107 bytes at most, and a folder for temporary files may be longer."""
    long = tmp_path / ("long-" * 20) / "tmp"
    long.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    found = levels.at_least(level, level)
    found.sandbox.close()


def broken_forkserver(folder, text, instead):
    """A folder with our programs, of which the forkserver does something else in one place."""
    shutil.copytree(paths.PROGRAMS, folder)
    shutil.copytree(paths.WATCHDOG, folder.parent / paths.WATCHDOG.relative_to(paths.PROGRAMS.parent))
    file = folder / "forkserver.py"
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, instead))
    return folder


@pytest.mark.sandbox
def test_dying_forkserver_is_noticed(tmp_path, monkeypatch):
    """As that of an ordinary user did with bubblewrap 0.8.0: a level counts only if a second app can be started."""
    setns = 'checked("setns", libc.setns(self.own_pids, NEWPID))'
    programs = broken_forkserver(tmp_path / "programs", setns, "os._exit(1)")
    monkeypatch.setattr(launcher, "PROGRAMS", programs)
    monkeypatch.setattr(bubblewrap, "PROGRAMS", programs)
    monkeypatch.setattr(bubblewrap, "WATCHDOG", tmp_path / paths.WATCHDOG.relative_to(paths.PROGRAMS.parent))
    with pytest.raises(levels.IsolationUnavailable, match="namespaces: "):
        levels.at_least("required")


@pytest.mark.parametrize(
    "seen, why",
    [
        ({"cannot": ["read its Python (PermissionError: no)"]}, "cannot read its Python"),
        ({"others": [1, 2, 3]}, "other processes"),
        ({"network": ""}, "network is not its own"),
        ({"wrote": ["/usr"]}, "outside its place"),
        ({"sees": True}, "outside its place"),
    ],
)
def test_level_needs_every_probe(seen, why):
    """A level counts only if every part of the probe has the expected result."""
    good = {
        "cannot": [],
        "uid": 61000,
        "pid": 2,
        "others": [1, 2],
        "network": "ConnectionRefusedError",
        "wrote": [],
        "sees": False,
    }
    levels._check("namespaces", good)
    with pytest.raises(SandboxError, match=why):
        levels._check("namespaces", {**good, **seen})


@pytest.mark.sandbox
def test_level_needs_real_isolation(monkeypatch):
    """A sandbox that shows a file outside of its folder doesn't count as that level."""
    right = bubblewrap.app_profile

    def careless(place, folders=()):
        words = right(place, folders)
        end = words.index("--remount-ro")
        return [*words[:end], "--bind", place, "/mnt", *words[end:]]

    monkeypatch.setattr(bubblewrap, "app_profile", careless)
    look = levels.PROBE.replace("os.path.exists(OUTSIDE)", "bool(os.listdir('/mnt'))")
    monkeypatch.setattr(levels, "PROBE", look)
    with pytest.raises(levels.IsolationUnavailable, match="outside its place"):
        levels.at_least("required")


def kill_from_outside(app):
    """Kill an app as the system does when memory is short: none of its own processes does it."""
    os.kill(app.pid, signal.SIGKILL)


@pytest.mark.sandbox
def test_externally_killed_app_is_inconclusive(sandbox, tmp_path):
    """An app that's killed together with its sandbox while it starts is an ERROR, because the machine did it."""
    file = tmp_path / "app.py"
    file.write_text("import time\ntime.sleep(600)\n")
    server = Server(file, inherit=False, start=sandbox.start)
    try:
        kill_from_outside(server.process)
        with pytest.raises(SandboxError, match="ended from outside"):
            server.wait_until_ready()
    finally:
        server.stop()


@pytest.mark.sandbox
@pytest.mark.parametrize("who, outcome", [("app", "fail"), ("outside", "error")])
def test_death_is_blamed_correctly(sandbox, tmp_path, who, outcome):
    """A death during a race is a FAIL if the app caused it and an ERROR if it came from outside."""
    exercise = load(paths.SOLUTIONS / "01_sleeping")
    endpoint = exercise.endpoints[0]
    file = tmp_path / endpoint.file
    file.write_text(f"{APP}import os\n@app.get('/exit')\nasync def leave():\n    os._exit(3)\n")

    async def verdict():
        async with ServedApp(file, endpoint.services, sandbox) as served:
            judge = Judge(file, endpoint, served)

            async def work(method):
                app = await served.app()
                if who == "outside":
                    kill_from_outside(app.process)
                else:
                    await run_race.run(app, [RaceRequest(0, "GET", "/exit")], title="x")
                raise AnswerFault("server died", "The server ended.")

            return await judge._judged(work)

    assert asyncio.run(verdict()).outcome == outcome


@pytest.mark.sandbox
def test_killed_forkserver_is_replaced(tmp_path):
    """A forkserver that is killed is replaced, and no submission suffers."""
    found = levels.at_least("required")
    try:
        serve_and_stop(found.sandbox.start, tmp_path)
        (forkserver,) = found.sandbox._forkservers.values()
        for pid in descendants(forkserver.process.pid):  # bubblewrap itself ends with what it started
            os.kill(pid, signal.SIGKILL)
        forkserver.process.wait()
        serve_and_stop(found.sandbox.start, tmp_path)
    finally:
        found.sandbox.close()


@pytest.mark.sandbox
@pytest.mark.parametrize("end, code", [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)])
def test_exit_code_survives_the_sandbox(sandbox, tmp_path, end, code):
    """The exit code of an app comes through the sandbox unchanged."""
    file = tmp_path / "app.py"
    file.write_text(f"import os\n{end}\n")
    process = sandbox.start(file, {})
    process.wait()
    process.close()
    process.stdout.close()
    assert process.exit_code == code


@pytest.mark.sandbox
def test_sandboxed_start_is_fast(sandbox, tmp_path):
    """A forked app is ready long before a new process could import FastAPI, because the imports are done in advance."""

    def seconds(start):
        began = time.perf_counter()
        serve_and_stop(start, tmp_path)
        return time.perf_counter() - began

    locked = min(seconds(sandbox.start) for _ in range(5))
    plain = min(seconds(None) for _ in range(5))
    assert locked < plain


def serve_and_stop(start, folder):
    (folder / "app.py").write_text(APP)
    server = Server(folder / "app.py", inherit=False, start=start)
    server.wait_until_ready()
    server.stop()


@pytest.mark.root
def test_user_is_freed_only_once():
    """A second time the number of its lock may be that of another file."""
    user = launcher.free_user()
    user.free()
    number = os.open(os.devnull, os.O_RDONLY)
    user.free()
    os.close(number)


def test_a_closed_sandbox_says_so(tmp_path):
    closed = Sandbox("limits")
    closed.close()
    (tmp_path / "app.py").write_text(APP)
    with pytest.raises(SandboxError, match="closed"):
        closed.start(tmp_path / "app.py", {})


LOOK = "import sys; sys.path.insert(0, {root!r})\nfrom autograder.sandbox import levels\nfound = levels.at_least({level!r}, {level!r})\nprint(found.level)\n"


# where others cannot reach this clone or its Python, bubblewrap shows both to them elsewhere
HIDDEN = (
    [pytest.mark.sandbox] if sys.platform == "linux" and reachable_by_all([*bubblewrap.pythons(), paths.ROOT]) else []
)
ORDINARY = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]


@pytest.mark.root
@pytest.mark.parametrize(
    "level, who",
    [
        pytest.param("namespaces", ORDINARY, marks=pytest.mark.sandbox),
        pytest.param("user", [], marks=HIDDEN),
        pytest.param("limits", ORDINARY, marks=HIDDEN),
        ("limits", []),
    ],
    ids=["namespaces-user", "user-root", "limits-user", "limits-root"],
)
def test_levels_match_the_users_rights(level, who):
    """Root and an ordinary user each get the level that their rights allow."""
    script = LOOK.format(root=str(paths.ROOT), level=level)
    shown = reachable_by_all([*bubblewrap.pythons(), paths.ROOT]) if who or level == "user" else []
    before = ["bwrap", "--dev-bind", "/", "/", *shown] if shown else []
    done = subprocess.run([*before, *who, sys.executable, "-B", "-c", script], capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == level, done.stderr


def test_probed_level_is_kept():
    """A worker of a class uses the level that the run has probed, and no other."""
    assert levels.as_probed("none").sandbox is None
    for level in ("limits", "user", "namespaces"):
        found = levels.as_probed(level)
        found.sandbox.close()
        assert (found.level, found.sandbox.level) == (level, level)
