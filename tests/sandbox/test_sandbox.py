"""The jail: what an app in it can reach, what it cannot, and that nothing of it is left afterwards."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from helpers import gone, until

from autograder import paths
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.exercise import load
from autograder.lab import run_race
from autograder.lab.app_errors import AppError
from autograder.lab.server import Server
from autograder.sandbox import bubblewrap, levels
from autograder.sandbox.launcher import Sandbox, SandboxError, reachable

ON_LINUX = sys.platform.startswith("linux")
pytestmark = pytest.mark.skipif(not ON_LINUX, reason="the jail needs Linux")
APP = "from fastapi import FastAPI\napp = FastAPI()\n"


@pytest.fixture(scope="module")
def jail():
    """The jail of namespaces, which `./course test` sees to: it installs bubblewrap."""
    found = levels.at_least("required")
    yield found.jail
    found.jail.close()


def serve(jail, folder, text, environment=None, **more):
    """A running `Server` of an app whose file holds ``text``."""
    file = folder / "app.py"
    file.write_text(text)
    server = Server(file, environment, inherit=False, start=lambda *told: jail.start(*told, **more))
    try:
        return server.wait_until_ready()
    except BaseException:
        server.stop()
        raise


def said(jail, folder, look, environment=None, **more):
    """What an app's module finds out while it is imported: the value of the expression ``look``, as JSON."""
    file = folder / "app.py"
    file.write_text(
        f"import json, os, sys, socket, subprocess, pathlib\nprint(json.dumps({look}), flush=True)\n1 / 0\n"
    )
    server = Server(file, environment, inherit=False, start=lambda *told: jail.start(*told, **more))
    with pytest.raises(AppError, match="ZeroDivisionError"):
        server.wait_until_ready()
    return json.loads(server.log.splitlines()[0])


@pytest.mark.parametrize("level", ["limits", "namespaces"])
def test_an_app_is_served_and_raced_at_each_level(tmp_path, level):
    jail = Sandbox(level)
    try:
        text = APP + "import asyncio\n@app.get('/x')\nasync def x():\n    await asyncio.sleep(0.1)\n    return 1\n"
        server = serve(jail, tmp_path, text)
        race = asyncio.run(run_race.race("/x", 4, app=server, show=False))
        assert all(request.ok for request in race.requests) and len(race.canaries) > 1
        asked = [{"key": 0, "method": "GET", "path": "/x"}]
        sampled = asyncio.run(run_race.run(server, asked, title="x", sample=True))
        assert len(sampled.samples) > 5, "the loop thread is seen from outside"
        assert len(server.watchers) >= 2 and all(Path(f"/proc/{server.pid}/task/{t}").exists() for t in server.watchers)
        server.stop()
        assert gone(server.pid)
    finally:
        jail.close()


def test_the_line_that_blocks_is_named(jail, tmp_path):
    text = APP + "import time\n@app.get('/x')\nasync def x():\n    time.sleep(0.2)\n"
    server = serve(jail, tmp_path, text)
    race = asyncio.run(run_race.race("/x", 2, app=server, show=False))
    server.stop()
    assert race.blocked and race.worst_block.cause == "time.sleep(0.2) in line 6"


def test_an_app_sees_nothing_but_python_and_itself(jail, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    seen = said(
        jail,
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


def test_only_the_services_that_are_named_are_reached(jail, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [sock.getsockname()[1] for sock in (named, other)]
        look = (
            '[(lambda s: s.connect_ex(("127.0.0.1", port)) or s.sendall(b"hello") or 0)(socket.socket()) '
            f"for port in {ports}]"
        )
        codes = said(jail, tmp_path, look, {"SHOP_URL": f"http://127.0.0.1:{ports[0]}/"})
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
    assert addresses == {1: ("127.0.0.1", 1), 2: ("10.0.0.1", 2), 6379: ("db.example", 6379), 7: ("127.0.0.1", 7)}
    assert inside["B"] == "127.0.0.1:2" and inside["C"] == "redis://u:p@127.0.0.1:6379/0" and inside["D"] == "/x"


def test_what_flees_from_its_group_ends_with_the_app(jail, tmp_path):
    text = APP + (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True:\n            time.sleep(1)\n    os._exit(0)\n"
    )
    server = serve(jail, tmp_path, text)
    # all processes of a jail have the same room of process ids, and nobody else has it
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


def test_without_namespaces_what_flees_is_swept_away(tmp_path):
    jail = Sandbox("limits")
    pid = tmp_path / "pid"
    text = APP + (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        open({str(pid)!r}, 'w').write(str(os.getpid()))\n        time.sleep(600)\n    os._exit(0)\n"
    )
    try:
        server = serve(jail, tmp_path, text)
        fled = int(until(lambda: pid.exists() and pid.read_text()))
        server.stop()
        assert gone(fled)
    finally:
        jail.close()


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
        ("import os, time\nfor i in range(2000):\n    if os.fork() == 0:\n        time.sleep(60)", "BlockingIOError"),
    ],
)
def test_floods_end_at_a_limit(jail, tmp_path, flood, says):
    with pytest.raises(AppError, match=says):
        serve(jail, tmp_path, flood)


def test_many_processes_together_have_no_more_memory_than_one(jail, tmp_path):
    text = "import os\nfor i in range(6):\n    if os.fork() == 0:\n        x = b'x' * (300 << 20)\n        os.read(0, 1)\nwhile True:\n    pass\n"
    with pytest.raises(AppError) as told:
        serve(jail, tmp_path, text)
    assert told.value.stage == "died"


def test_a_second_app_finds_nothing_of_the_first(jail, tmp_path):
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        look = "[os.listdir(os.path.dirname(os.getcwd())), os.listdir('/dev/shm'), pathlib.Path('/dev/shm/left').write_text('x')]"
        mine, shared, _ = said(jail, folder, look)
        assert mine == [str(number)] and shared == []


def test_everything_ends_when_its_owner_is_killed(tmp_path):
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


@pytest.mark.parametrize(
    "lesson", ["01_sleeping", "02_calling_http", "03_databases", "04_redis", "05_files", "06_subprocesses"]
)
def test_references_pass_in_the_jail_and_starters_are_told_the_same(jail, tmp_path, lesson):
    exercise = load(paths.SOLUTIONS / lesson)
    endpoint = exercise.endpoints[0]

    async def verdicts(kind):
        file = tmp_path / endpoint.file
        file.write_text(exercise.answer_file(endpoint, kind).read_text())
        async with ServedApp(file, endpoint.services, jail) as served:
            judge = Judge(file, endpoint, served)
            return [await judge.verdict_with_retries(part) for part in endpoint.parts]

    assert {verdict.outcome for verdict in asyncio.run(verdicts("reference"))} == {"pass"}
    told = asyncio.run(verdicts("starter"))[-1]
    assert (told.outcome, told.kind) == ("fail", endpoint.starter.kind)


def test_the_ladder_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    found = levels.at_least("limits")
    assert found.level in ("user", "limits") and "bubblewrap is not installed" in found.missing["namespaces"]
    assert "bubblewrap" in found.sentence
    found.jail.close()
    with pytest.raises(levels.IsolationUnavailable, match="bubblewrap is not installed"):
        levels.at_least("required")
    assert levels.at_least("none", ceiling="none").jail is None


def test_a_course_that_lies_where_apps_have_their_place_is_told(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(Path(sys.prefix).parent))
    with pytest.raises(levels.IsolationUnavailable, match="move the clone, or set TMPDIR"):
        levels.at_least("required")


def test_a_level_counts_only_if_an_app_was_really_locked_in(monkeypatch):
    honest = bubblewrap.command

    def careless(place, folders=()):
        words = honest(place, folders)
        end = words.index("--remount-ro")
        return [*words[:end], "--bind", place, "/mnt", *words[end:]]

    monkeypatch.setattr(bubblewrap, "command", careless)
    look = levels.PROBE.replace("os.path.exists(OUTSIDE)", "bool(os.listdir('/mnt'))")
    monkeypatch.setattr(levels, "PROBE", look)
    with pytest.raises(levels.IsolationUnavailable, match="outside its place"):
        levels.at_least("required")


def test_starting_in_the_jail_costs_little(jail, tmp_path):
    """What is imported once is there at once: an app is ready long before a fresh process has imported FastAPI."""

    def seconds(start):
        began = time.perf_counter()
        serve_and_stop(start, tmp_path)
        return time.perf_counter() - began

    locked = min(seconds(jail.start) for _ in range(5))
    plain = min(seconds(None) for _ in range(5))
    assert locked < plain


def serve_and_stop(start, folder):
    (folder / "app.py").write_text(APP)
    server = Server(folder / "app.py", inherit=False, start=start)
    server.wait_until_ready()
    server.stop()


def test_a_closed_jail_says_so(tmp_path):
    closed = Sandbox("limits")
    closed.close()
    (tmp_path / "app.py").write_text(APP)
    with pytest.raises(SandboxError, match="closed"):
        closed.start(tmp_path / "app.py", {})


LOOK = "import sys; sys.path.insert(0, {root!r})\nfrom autograder.sandbox import levels\nfound = levels.at_least({level!r}, {level!r})\nprint(found.level)\n"


def reachable_by_all():
    """What to put before a command so that every user can reach this Python, wherever it lies."""
    words = ["bwrap", "--dev-bind", "/", "/"]
    for path in bubblewrap.pythons():
        top = "/" + Path(path).parts[1]
        if os.stat(top).st_mode & 0o005 != 0o005:
            if top not in words:
                words += ["--tmpfs", top]
            for parent in reversed(Path(path).parents[:-2]):
                words += ["--dir", str(parent)]
            words += ["--ro-bind", path, path]
    return words


@pytest.mark.skipif(ON_LINUX and os.geteuid() != 0, reason="an ordinary user runs all the other tests as one")
@pytest.mark.parametrize(
    "level, who",
    [("namespaces", ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]), ("user", []), ("limits", [])],
)
def test_levels_for_an_ordinary_user_and_for_root(level, who):
    script = LOOK.format(root=str(paths.ROOT), level=level)
    done = subprocess.run(
        [*reachable_by_all(), *who, sys.executable, "-B", "-c", script], capture_output=True, text=True, cwd="/"
    )
    assert done.stdout.strip() == level, done.stderr
