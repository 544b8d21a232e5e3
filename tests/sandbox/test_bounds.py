"""Bounds that an attacker found to be missing: on memory of every kind, on what outlives an app, on how long one may take."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import capabilities
import httpx
import psycopg
import pytest
from helpers import until
from test_learners_tests import run, sandbox  # noqa: F401  # a fixture

from autograder import paths, services
from autograder.classroom import grade, submission, worker_pool
from autograder.lab import start_budget
from autograder.programs.procfs import descendants
from autograder.sandbox import launcher, levels
from autograder.services import upstream

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has these bounds")
root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="it takes root")


# --- memory

UNCOUNTED = {
    "a shared mapping of no file": ("import mmap; mmap.mmap(-1, 4096)", "PermissionError"),
    "a file in memory": ("os.memfd_create('x')", "OSError"),
    "a shared mapping of /dev/zero": ("open('/dev/zero', 'r+b')", "FileNotFoundError"),
    "address space for page tables": (
        "import mmap\n    kept = [mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE, mmap.PROT_READ) for _ in range(64)]",
        "Cannot allocate memory",
    ),
    "sets of semaphores": ("assert C.semget(0, 1, 0o600) != -1", "assert -1 != -1"),
    "queues of messages": ("assert C.msgget(0, 0o600) != -1", "assert -1 != -1"),
    "larger pipes": ("import fcntl; fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)", "PermissionError"),
    "pages that are sent later": ("import socket; socket.socket().setsockopt(1, 60, 1)", "PermissionError"),
    "pages in a pipe": (
        "assert C.vmsplice(os.pipe()[1], (ctypes.c_ulong * 2)(id(1), 1), 1, 0) != -1",
        "assert -1 != -1",
    ),
    "events of files": ("assert C.inotify_init() != -1", "assert -1 != -1"),
    "lists of who may access a file": (
        "open('f', 'w').close(); os.setxattr('f', 'system.posix_acl_access', b'')",
        "PermissionError",
    ),
}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", UNCOUNTED)
def test_uncounted_memory_is_denied(sandbox, tmp_path, name):  # noqa: F811
    """Kinds of memory that no limit counts are denied to a test."""
    statement, says = UNCOUNTED[name]
    found = run(tmp_path, f"import ctypes, os\nC = ctypes.CDLL(None)\ndef test_x():\n    {statement}\n", sandbox)
    assert found.result == "fails" and says in found.output, found


TOGETHER = {
    # each process is below the limit of one; none can be looked into
    "hidden processes": """
import ctypes, os, time
def test_x():
    for _ in range(3):
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
            x = b"x" * (500 << 20)
            time.sleep(600)
    time.sleep(600)
""",
    # 4,800 sockets, which are left empty here: full ones would hold a quarter of a megabyte each
    "sockets": """
import os, socket, time
def test_x():
    for _ in range(6):
        if os.fork() == 0:
            kept = [socket.socketpair() for _ in range(400)]
            time.sleep(600)
    time.sleep(600)
""",
    # 40,000 pipes, which are left empty here: each could hold 8 kB, and more where its user has few
    "pipes": """
import os, time
def test_x():
    for _ in range(160):
        if os.fork() == 0:
            kept = [os.pipe() for _ in range(300)]
            time.sleep(600)
    time.sleep(600)
""",
    # 30,000 here, and a million in a minute, for each of which the system keeps a quarter of a kilobyte
    "locks": """
import fcntl, time
def test_x():
    kept = [open(str(name), "w") for name in range(100)]
    for file in kept:
        for place in range(300):
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * place)
    time.sleep(600)
""",
    # 400,000 here; with pages in them, the system keeps 64 bytes more for each process that they come from, and it was 20 GB
    "mappings": """
import ctypes, os, time
def test_x():
    C = ctypes.CDLL(None)
    C.mmap.restype = ctypes.c_void_p
    start = C.mmap(None, ctypes.c_size_t(20_000 * 4096), 1, 0x22, -1, ctypes.c_long(0))
    for place in range(0, 20_000, 2):
        C.mprotect(ctypes.c_void_p(start + 4096 * place), ctypes.c_size_t(4096), 0)
    for _ in range(40):
        if os.fork() == 0:
            time.sleep(10)
            os._exit(0)
    time.sleep(10)
""",
    # each process is forked from the one before, so that each mapping is kept with each of its ancestors
    "mappings of a chain": """
import ctypes, os, time
def test_x():
    C = ctypes.CDLL(None)
    C.mmap.restype = ctypes.c_void_p
    start = C.mmap(None, ctypes.c_size_t(20_000 * 4096), 3, 0x22, -1, ctypes.c_long(0))
    ctypes.memset(start, 1, 20_000 * 4096)
    for place in range(0, 20_000, 2):
        C.mprotect(ctypes.c_void_p(start + 4096 * place), ctypes.c_size_t(4096), 1)
    for _ in range(60):
        if os.fork():
            break
        for place in range(1, 20_000, 16):
            ctypes.memset(start + 4096 * place, 1, 1)
    time.sleep(60)
""",
    # the first thread ends, and with it what the system reports of the process in the first place
    "processes without a first thread": """
import ctypes, os, threading, time
def test_x():
    for _ in range(3):
        if os.fork() == 0:
            def hold():
                x = b"x" * (400 << 20)
                time.sleep(60)
            threading.Thread(target=hold).start()
            ctypes.CDLL(None).pthread_exit(None)
    time.sleep(60)
""",
    # each process forks and ends before it's counted, and the next one has its memory
    "processes that end at once": """
import os, time
def test_x():
    for _ in range(24):
        if os.fork() == 0:
            x = b"x" * (60 << 20)
            until = time.time() + 60
            while time.time() < until:
                if os.fork():
                    os._exit(0)
            os._exit(0)
    time.sleep(60)
""",
    # none here; each of them could watch hundreds of files, for a quarter of a kilobyte each
    "watched files": """
import os, select, time
def test_x():
    for _ in range(12):
        if os.fork() == 0:
            kept = [select.epoll() for _ in range(900)]
            time.sleep(10)
            os._exit(0)
    time.sleep(10)
""",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", TOGETHER)
def test_processes_share_a_memory_limit(sandbox, tmp_path, name):  # noqa: F811
    """All processes of a test share one memory limit."""
    assert run(tmp_path, TOGETHER[name], sandbox).result.endswith("(exit code 137).")


INIT = {
    "files": "resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))",
    "CPUs": "os.sched_setaffinity(1, {0})",
    "priority": "os.setpriority(os.PRIO_PROCESS, 1, 19)",
    "priority of all": "os.setpriority(os.PRIO_USER, 0, 19)",
    "policy": "os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", INIT)
def test_init_cannot_be_limited(sandbox, tmp_path, name):  # noqa: F811
    """The sandbox's first process has the user of the app, which could set its limits: without a file it could open, it ended,
    and a FAIL was an ERROR. What a test sets for itself is allowed."""
    text = f"""
import os, pytest, resource, time
def test_x():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.nice(1)
    with pytest.raises(PermissionError):
        {INIT[name]}
    time.sleep(0.5)  # it looks around five times a second
"""
    found = run(tmp_path, text, sandbox)
    assert found.result == "passes", found


@pytest.mark.sandbox
def test_buffers_of_sockets_stay_small(sandbox, tmp_path):  # noqa: F811
    text = """
import socket
def test_x():
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        near, far = socket.socketpair()
        before = near.getsockopt(socket.SOL_SOCKET, option)
        near.setsockopt(socket.SOL_SOCKET, option, 8 * before)
        assert near.getsockopt(socket.SOL_SOCKET, option) == before <= 256 << 10
    for name in ("tcp_rmem", "tcp_wmem"):
        with open(f"/proc/sys/net/ipv4/{name}") as file:
            assert int(file.read().split()[-1]) <= 131072
"""
    found = run(tmp_path, text, sandbox)
    assert found.result == "passes", found


# --- files

LINKS = """
import os
if not os.path.lexists("link"):
    os.symlink(VICTIM, "link")
    os.symlink("/proc/kmsg", "stuck")
    os.mkfifo("pipe")
"""


if "user" in capabilities.isolation_levels():  # else there is no such level: it is not collected

    @root
    def test_left_link_is_not_followed(tmp_path, monkeypatch):
        """Root starts an app again in a folder in which the app has left a link: what it leads to stays root's."""
        monkeypatch.setattr(tempfile, "tempdir", None)
        found = levels.at_least("user", ceiling="user")
        victim = tmp_path / "victim"
        victim.write_text("of root")
        victim.chmod(0o600)
        with tempfile.TemporaryDirectory(prefix="course-test-") as folder:
            file = Path(folder) / "app.py"
            file.write_text(
                f"VICTIM = {str(victim)!r}\n{LINKS}\nprint('done', flush=True)\nimport time; time.sleep(600)\n"
            )
            try:
                for _ in range(2):
                    process = found.sandbox.start(file, {})
                    said = process.stderr.readline()
                    process.end()
                    process.close()
                    process.stdout.close()
            finally:
                found.sandbox.close()
            assert said
            assert os.path.islink(Path(folder) / "link"), "the app could leave it"
            status = victim.stat()
            assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 0, 0o600)
            assert file.stat().st_uid == 0, "the app can't put another file in its place"


def test_links_are_not_packed(tmp_path):
    """A symbolic link in an app's folder isn't packed, so its target can't be read."""
    (tmp_path / "secret").write_text("of the grader")
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text("x = 1")
    (folder / "link").symlink_to(tmp_path / "secret")
    with launcher.packed(folder) as packed:
        assert b"app.py" in (files := packed.read()) and b"link" not in files


@root
def test_other_users_cannot_lower_isolation(tmp_path, monkeypatch):
    """A folder that another user makes in ``/tmp`` beforehand must not keep root from having users for apps."""
    for name in ("course-jail-users", "course-sandbox-users"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 65534, 65534)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    user = launcher.free_user()
    assert user.id >= launcher.FIRST_USER
    user.free()


def served(url, user):
    """Return True if the upstream answers a connection that belongs to a user."""
    parts = urlsplit(url)
    with socket.socket() as client:
        os.fchown(client.fileno(), user, -1)
        client.connect((parts.hostname, parts.port))
        client.settimeout(60)
        try:
            client.sendall(b"GET /items/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return client.recv(12) == b"HTTP/1.1 200"
        except ConnectionError:
            return False


@root
def test_upstream_serves_own_apps_only():
    """At the level ``user``, each grading worker has users for its apps. The upstream served all of them, so that an app could ask
    another worker's upstream, with the other app's tokens or until that was full."""
    own, other = launcher.FIRST_USER + 998, launcher.FIRST_USER + 999
    launcher.app_users.add(own)
    server = upstream.Upstream()
    try:
        assert served(server.url, os.geteuid()) and served(server.url, own) and not served(server.url, other)
        launcher.app_users.add(other)
        assert served(server.url, own) and served(server.url, other), "a later forkserver of this process"
        launcher.app_users.discard(own)
        assert not served(server.url, own), "another process may have this user now"
    finally:
        launcher.app_users.discard(own)
        launcher.app_users.discard(other)
        server.stop()


# --- what outlives an app


def connections(url, count, path):
    """So many connections to the upstream, each with a request for ``path`` under way."""
    parts = urlsplit(url)
    made = []
    for _ in range(count):
        connection = socket.create_connection((parts.hostname, parts.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        made.append(connection)
    return made


def test_upstream_is_new_after_flood():
    """An app sends more requests than the upstream takes, each to wait for an hour, and is gone: the next one is served."""
    service, environment = services.fresh("upstream")
    url = environment["UPSTREAM_URL"]
    for _ in range(5):
        token = secrets.token_hex(4)
        crowd = connections(url, 450, f"/items/{token}?wait=3600")
        until(lambda token=token: service.calls([token])[token] >= 1)
        for connection in crowd:
            connection.close()
    service, environment = services.fresh("upstream")
    reply = httpx.get(f"{environment['UPSTREAM_URL']}/items/honest", trust_env=False)
    assert reply.status_code == 200 and reply.json()["price"] == service.reply("honest")


def test_upstream_request_ends_with_client():
    """The upstream drops requests whose client is gone. Otherwise a few apps could fill it within one exercise."""
    service, environment = services.fresh("upstream")
    url = environment["UPSTREAM_URL"]
    for _ in range(5):
        token = secrets.token_hex(4)  # the counts of a service are those since its start
        crowd = connections(url, 450, f"/items/{token}?wait=3600")
        until(lambda token=token: service.calls([token])[token] == 450)
        for connection in crowd:
            connection.close()
        pids = [service._server.pid, *descendants(service._server.pid)]
        until(lambda pids=pids: sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids) < 100)
    until(lambda: httpx.get(f"{url}/items/honest", trust_env=False).status_code == 200)


def test_upstream_time_is_a_number():
    """A wait of "nan" seconds is less and more than no other, so the loop's timers lost their order, and short waits took long."""
    server = upstream.Upstream()
    try:
        with contextlib.ExitStack() as kept:
            for wait in ("30", "30", *["nan"] * 6):
                host, port = urlsplit(server.url).netloc.split(":")
                client = kept.enter_context(socket.create_connection((host, int(port))))
                client.sendall(f"GET /items/x?wait={wait} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            until(lambda: server.calls(["x"])["x"] == 8)
            for _ in range(3):
                assert httpx.get(f"{server.url}/items/y?wait=0.2", timeout=15).status_code == 200
    finally:
        server.stop()


def test_upstream_streams_large_bodies():
    """Large bodies that no client reads don't accumulate in the upstream's memory."""
    service, environment = services.fresh("upstream")
    readers = connections(environment["UPSTREAM_URL"], 40, "/items/x?size=10000000&slow=3000")
    for reader in readers:
        assert reader.recv(15).startswith(b"HTTP/1.1 200")  # its body is under way
    pids = [service._server.pid, *descendants(service._server.pid)]
    used = sum(own_memory(pid) for pid in pids)
    for reader in readers:
        reader.close()
    assert used < 200 << 20, f"{used >> 20} MB"


@pytest.mark.parametrize("size", [0, 1, 65535, 200_001])
@pytest.mark.parametrize("slow", [0, 0.01])
def test_upstream_body_is_whole(size, slow):
    _, environment = services.fresh("upstream")
    url = f"{environment['UPSTREAM_URL']}/items/x?size={size}&slow={slow}"
    reply = httpx.get(url, trust_env=False).json()
    assert reply["item"] == "x" and reply["padding"] == "x" * size


def own_memory(pid):
    """Return a process's anonymous memory in bytes."""
    with open(f"/proc/{pid}/status") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def test_postgres_statement_ends_with_app():
    """An endless statement ends with its connection, even if no other app is served afterwards."""
    service, environment = services.fresh("postgres")
    app = psycopg.connect(environment["DATABASE_URL"], autocommit=True)
    app.pgconn.send_query(b"SELECT pg_sleep(3600)")
    running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'guest'"
    until(lambda: service._do(running) == [(1,)])
    with contextlib.suppress(psycopg.Error):
        app.close()
    until(lambda: service._do(running) == [(0,)])


def test_postgres_calls_cannot_be_forged():
    """Neither a notification that an app makes up nor one that it sends again counts as a call."""
    service, environment = services.fresh("postgres")
    token = secrets.token_hex(4)
    service.prepare([token])
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as app:
        app.execute("LISTEN calls")
        app.execute(f"NOTIFY calls, '{token} 1'")
        app.execute("SELECT price_of(%s)", [token])
        for heard in list(app.notifies(timeout=60, stop_after=2)):
            app.execute(f"NOTIFY calls, '{heard.payload}'")
        assert service.calls([token]) == {token: 1}


SPIN = "import sys, threading\nif sys.argv[1:]: threading.Event().wait()\nwhile True: pass\n"
SUPERVISE = (
    "import sys; sys.path.insert(0, {!r}); import supervisor; supervisor.CPU_LIMIT_S = 1; supervisor.main(*{!r})"
)


def test_endless_server_is_ended(tmp_path):
    """A server that computes without end is ended by its supervisor, and its folder is removed."""
    folder = tmp_path / "server"
    folder.mkdir()
    (tmp_path / "spin.py").write_text(SPIN)
    arguments = (str(folder), "-", "KILL", "-", [sys.executable, str(tmp_path / "spin.py")])
    command = [sys.executable, "-I", "-c", SUPERVISE.format(str(paths.PROGRAMS), arguments)]
    supervised = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        supervised.wait(600)  # its end is what is waited for; a server that may go on never ends
        assert not folder.exists()
    finally:
        supervised.stdin.close()
        supervised.stdout.close()
        supervised.wait()


def test_server_cpu_has_a_window():
    """A server's CPU time is measured within a window: half a CPU is fine for hours, a whole one isn't."""
    sys.path.insert(0, str(paths.PROGRAMS))
    try:
        supervisor = importlib.import_module("supervisor")
    finally:
        sys.path.remove(str(paths.PROGRAMS))
    steady = supervisor.CpuMeter()
    assert not any(steady.too_much(second, 0.5 * second) for second in range(3600)), "half a CPU, for an hour"
    greedy = supervisor.CpuMeter()
    assert any(greedy.too_much(second, 1.0 * second) for second in range(61))


# --- how long one may take


def test_reports_cannot_prolong_a_start(monkeypatch):
    """An app that forges endless progress reports still has a time limit for its start."""
    monkeypatch.setattr(start_budget, "process_times", lambda pid: ("S", 0.0))
    monkeypatch.setattr(start_budget, "descendants", lambda pid, zombies=False: [])
    now = [0.0]
    monkeypatch.setattr(start_budget.time, "monotonic", lambda: now[0])
    budget = start_budget.StartBudget(0)
    for modules in range(1, 100_000):
        now[0] += 0.1
        if budget.observe(modules) == "sleeping":
            break
    assert now[0] <= (start_budget.TOTAL + 1) * start_budget.START_LIMIT_S


def test_slow_job_is_not_retried(monkeypatch, tmp_path):
    """A job that takes too long goes to a person and isn't tried again."""
    monkeypatch.setattr(worker_pool, "JOB_LIMIT", 0.05)
    started = []

    async def sleeper(isolation, log, probed):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; sys.stdin.read()",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return worker_pool.Worker(process)

    monkeypatch.setattr(worker_pool.Worker, "start", sleeper)
    results = {}
    pool = worker_pool.LocalPool(1, "none", tmp_path / "log")
    jobs = [worker_pool.Job("slow", "x.ipynb", "01_sleeping")]
    asyncio.run(pool.run(jobs, lambda job, result: results.update({job.id: result})))
    assert len(started) == 1 and "took more than" in results["slow"]["items"][0]["diagnosis"]


# --- notebooks as input


@pytest.mark.parametrize("value", ["1,", '"a",'])
def test_huge_notebook_is_refused(tmp_path, value):
    """A notebook with millions of values is refused before it is parsed."""
    file = tmp_path / "x.ipynb"
    file.write_text('{"cells": [' + value * (submission.VALUES_LIMIT + 1) + "0]}")
    with pytest.raises(submission.UnreadableSubmission, match="too many parts"):
        submission.read(file)


def test_report_has_no_forged_lines():
    name = "x\nbob.ipynb: 9 of 9 points\n\x1b[2K\r"
    text = grade.as_text(grade.Result(name, "01_sleeping"))
    assert len(text.splitlines()) == 1 and text.isprintable()


def test_diagnosis_moves_no_cursor():
    from types import SimpleNamespace

    from autograder.judge.verdict import Verdict

    endpoint = SimpleNamespace(points={"answers": 1}, item=lambda part: part)
    item = grade._item(
        endpoint, "answers", Verdict("fail", "wrong answer", "It answered \x1b[2K\x1b]0;x\x07\rno.\nSo."), ""
    )
    assert item.diagnosis.replace("\n", "").isprintable() and "\n" in item.diagnosis


def test_high_descriptor_can_be_awaited(tmp_path):
    """`select.select` raises for these: an app that opened many connections made an ERROR of its FAIL."""
    import fcntl
    import resource

    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1100:
        pytest.skip("this process may not have so many files")
    near, far = os.pipe()
    high = fcntl.fcntl(near, fcntl.F_DUPFD, 1030)
    try:
        assert not launcher.readable(high, 0)
        os.write(far, b"x")
        assert launcher.readable(high, None)
    finally:
        for number in (near, far, high):
            os.close(number)
