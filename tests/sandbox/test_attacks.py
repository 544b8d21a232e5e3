"""Attacks, each handed in as a real submission: no point that is not deserved, nothing read, nobody disturbed, and the
batch finished.

In the sandbox all of them run.  Without it, those run whose harm is limited to the grader itself: there the grade must be
right all the same, or be left to a person.
"""

import asyncio
import os
import socket
import tempfile
from pathlib import Path

import nbformat
import pytest

from autograder import paths
from autograder.classroom import worker_pool
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.exercise import load
from autograder.sandbox import levels

pytestmark = pytest.mark.linux
LESSON = "05_files"
EXERCISE = load(paths.SOLUTIONS / LESSON)
TASK, *OTHERS = EXERCISE.endpoints
UNTRIED = {
    task.cell: f"%%app {task.file}\nraise SystemExit" for task in OTHERS
}  # the points are those of the first app
STARTER = EXERCISE.answer_file(TASK, "starter").read_text()
BRIEF = EXERCISE.answer_file(TASK, "wrong", "await_then_block").read_text()
REFERENCE = EXERCISE.answer_file(TASK, "reference").read_text()

# Each runs before the starter, which answers rightly and blocks: it deserves 1 of 3 points, or, where the attack
# breaks it, none.  LOOT is a folder of this machine: whatever an attack finds or does outside its place, it notes there.
HARMLESS = {
    "patches assert and unittest": "import builtins, unittest\nbuiltins.AssertionError = type('No', (Exception,), {})\n"
    "unittest.TestCase.fail = lambda *a: None\n",
    "shows a score": "import sys\nsys.displayhook(5.0)\nprint('5.0', flush=True)\n",
    "forged clock": "import time\nfor name in ('time', 'monotonic', 'perf_counter', 'process_time'):\n"
    "    setattr(time, name, lambda: 0.0)\n",
    "forged reports": 'import os\nfor fd in range(3, 60):\n    try:\n        os.write(fd, b\'{"kind": "ready", "port": 80, "threads": [], "stacks": false}\\n'
    '{"kind": "here", "question": 1}\\n{"kind": "ended", "race": 1, "t": 0, "samples": []}\\n\')\n    except OSError:\n        pass\n',
    "looks through frames and memory": "import gc, sys\nfound = [o for o in gc.get_objects() if type(o).__name__ in\n"
    "    ('Judge', 'Exercise', 'Endpoint', 'Call', 'Rendezvous')]\nframe = sys._getframe()\nwhile frame:\n"
    "    found += [v for k, v in frame.f_locals.items() if k in ('expected', 'judge', 'exercise')]\n    frame = frame.f_back\n"
    "if found:\n    open(LOOT + '/memory', 'w').write(repr(found))\n",
    "knows that it is graded": "import os\nif any('GRADE' in name for name in os.environ):\n    raise SystemExit\n",
    "exits": "import os\nos._exit(0)\n",
    "exits later": "import os, threading\nthreading.Timer(1, lambda: os._exit(0)).start()\n",
    "writes at exit": "import atexit\natexit.register(lambda: open(LOOT + '/atexit', 'w').write('x'))\n",
    "swallows interrupts": "import signal, sys\nfor s in (signal.SIGINT, signal.SIGTERM):\n    signal.signal(s, signal.SIG_IGN)\n"
    "def again():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\nimport threading\n"
    "threading.Thread(target=again, daemon=True).start()\n",
    "memory": "x = bytearray(8 << 30)\n",
    "one huge file": "f = open('big', 'wb')\nwhile True:\n    f.write(bytes(1 << 24))\n",
    "output": "import sys, threading\ndef flood():\n    while True:\n        sys.stderr.write('x' * 100_000)\n"
    "threading.Thread(target=flood, daemon=True).start()\n",
    "stalls to win a second try": "import time\nold = time.sleep\n",  # with the body below
    "answers from several processes": "",  # with the body below
    "answers from several processes, with decoys": "",
    "answers from threads of its own": "",
    "blocks for a moment while its threads want every CPU": "import hashlib, threading\nfor _ in range(24):\n"
    "    threading.Thread(target=hashlib.pbkdf2_hmac, args=('sha256', b'', b'', 10**9), daemon=True).start()\n",
    "takes the pipes of others": "import os\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n    if int(pid) in (os.getpid(), 1): continue\n"
    "    try:\n        line = open(f'/proc/{pid}/cmdline').read()\n        if not any(w in line for w in ('load_generator.py', 'upstream', 'classroom.worker')): continue\n"
    "        for fd in os.listdir(f'/proc/{pid}/fd'):\n            open(LOOT + '/pipe', 'w').write(line + fd)\n    except OSError: pass\n",
}
IN_THE_SANDBOX = {
    "reads the tests, the answers and the gradebook": "import os\nfor root in (SOLUTIONS, TESTS, '/etc/shadow', '/root', '/home', LOOT):\n"
    "    for folder, _, files in os.walk(root):\n        if files and 'site-packages' not in folder and '/lib/python' not in folder and '/bin' not in folder[-4:] and 'pyenv' not in folder:\n"
    "            try: open(LOOT + '/read', 'w').write(folder)\n            except OSError: print('SAW', folder, files[:3], flush=True)\n",
    "reads secrets in the environment of others": "import os\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n    try:\n"
    "        if b'hush-hush' in open(f'/proc/{pid}/environ', 'rb').read(): print('SAW a secret', flush=True)\n    except OSError: pass\n",
    "sends what it knows": "import socket\ntry:\n    socket.create_connection(('127.0.0.1', PORT), 2).sendall(b'loot')\n    print('SAW the network', flush=True)\n"
    "except OSError: pass\n",
    "sends it by abstract sockets": "import socket\ntry:\n    socket.socket(socket.AF_UNIX).connect('\\0' + NEIGHBOUR)\n    print('SAW a neighbour', flush=True)\n"
    "except OSError: pass\n",
    "stays behind": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True:\n            time.sleep(0.2)\n"
    "            try: open(LOOT + '/later', 'a').write('x')\n            except OSError: pass\n    os._exit(0)\n",
    "kills and stops all that it can": "import os, signal\nfor pid in range(1, 100_000):\n    if pid != os.getpid():\n        for s in (signal.SIGSTOP, signal.SIGKILL):\n"
    "            try: os.kill(pid, s)\n            except OSError: break\n",
    "kills all at once": "import os, signal, threading\nthreading.Timer(1, lambda: os.kill(-1, signal.SIGKILL)).start()\n",
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n",
    "thread bomb": "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
    "disk": "import os\ni = 0\nwhile True:\n    i += 1\n    try: open(f'f{i}', 'wb').write(bytes(1 << 20))\n    except OSError: break\n",
    "shared memory": "x = open('/dev/shm/x', 'wb')\nwhile True:\n    x.write(bytes(1 << 24))\n",
    "makes a room of its own": "import ctypes, os\nlibc = ctypes.CDLL(None)\nif libc.unshare(0x10000000 | 0x20000) == 0 and libc.umount2(b'/tmp', 2) == 0:\n"
    "    print('SAW below', os.listdir('/tmp'), flush=True)\n",
    "puts a link where the answer is fetched": "import os\nfor name in os.listdir('.'):\n    os.unlink(name); os.symlink('/etc/passwd', name)\n",
}
FORKS = """
import asyncio, os, select, socket, threading
from contextlib import asynccontextmanager
from fastapi import FastAPI


def answer(connection):
    lines = connection.makefile("rwb")
    while line := lines.readline():
        path = line.split()[1].decode()
        while lines.readline().strip():
            pass
        token = path.rpartition("/")[2]
        known = path.startswith("/documents/")
        text = open(f"{os.environ['DOCUMENTS']}/{token}").read() if known else "0"
        body = b'{"document": "%s", "number": %d}' % (token.encode(), int(text))
        lines.write(b"HTTP/1.1 %d OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % (200 if known else 404, len(body)) + body)
        lines.flush()


def listening():
    for number in range(3, 100):
        try:
            name = os.readlink(f"/proc/self/fd/{number}")
            found = socket.socket(fileno=os.dup(number)) if name.startswith("socket:") else None
            if found and found.getsockname() and not is_connected(found):
                return number, found
        except OSError:
            pass


def is_connected(found):
    try:
        return bool(found.getpeername()) or True
    except OSError:
        return False


@asynccontextmanager
async def lifespan(app):
    number, listener = listening()
    listener.listen(64)
    BESIDE(listener)
    # the loop accepts nobody
    loop = asyncio.get_running_loop()
    watch = loop._add_reader
    loop._add_reader = lambda file, *more: None if file == number else watch(file, *more)
    yield


app = FastAPI(lifespan=lifespan)
"""
ACCEPT = """
def connections(listener):
    while True:
        select.select([listener], [], [])  # the loop makes it one that does not wait
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        connection.setblocking(True)
        yield connection


def in_processes(listener, accepted=lambda: None):
    if os.fork() == 0:
        for connection in connections(listener):
            accepted()
            if os.fork() == 0:
                answer(connection)
                os._exit(0)
            connection.close()


def in_processes_with_decoys(listener):
    reader, writer = os.pipe()
    kept = []

    def open_as_many():
        while os.read(reader, 1):
            kept.append(socket.socket(socket.AF_UNIX))

    in_processes(listener, lambda: os.write(writer, b"x"))
    threading.Thread(target=open_as_many, daemon=True).start()


def in_threads(listener):
    def accept():
        for connection in connections(listener):
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


"""
BESIDE = {
    how: FORKS.replace("@asynccontextmanager", ACCEPT.lstrip() + "@asynccontextmanager").replace("BESIDE(", how + "(")
    for how in ("in_processes", "in_processes_with_decoys", "in_threads")
}
BODY = {
    "answers from several processes": BESIDE["in_processes"],
    "answers from several processes, with decoys": BESIDE["in_processes_with_decoys"],
    "answers from threads of its own": BESIDE["in_threads"],
    "blocks for a moment while its threads want every CPU": BRIEF,
    "stalls to win a second try": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/documents/{token}')\nasync def document(token: str):\n    old(3600)\n",
}


def hand_in(file, text):
    notebook = nbformat.read(paths.NOTEBOOKS / LESSON / f"exercise_{LESSON}.ipynb", 4)
    sources = {**UNTRIED, TASK.cell: f"%%app {TASK.file}\n{text}"}
    for cell in notebook.cells:
        cell.source = sources.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    return file


def graded(folder, attacks, isolation, monkeypatch, ceiling):
    """{name: result} of all attacks and of two honest neighbours, one before and one after them."""
    loot = folder / "loot"
    loot.mkdir()
    loot.chmod(0o777)
    monkeypatch.setenv("COURSE_ISOLATION_CEILING", ceiling)
    monkeypatch.setenv("SECRET", "hush-hush")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as neighbour:
        names = {"NEIGHBOUR": f"course-attack-{os.getpid()}"}
        neighbour.bind("\0" + names["NEIGHBOUR"])
        neighbour.listen()
        names |= {"LOOT": str(loot), "SOLUTIONS": str(paths.SOLUTIONS), "TESTS": str(paths.ROOT / "tests")}
        names["PORT"] = listener.getsockname()[1]
        told = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        texts = {"honest before": REFERENCE}
        texts |= {name: told + attack + BODY.get(name, STARTER) for name, attack in attacks.items()}
        texts |= {"honest after": REFERENCE}
        jobs = [
            worker_pool.Job(name, str(hand_in(folder / str(number) / "x.ipynb", text)), LESSON)
            for number, (name, text) in enumerate(texts.items())
        ]
        results = {}
        local = worker_pool.LocalPool(2, isolation, folder / "log")
        asyncio.run(local.run(jobs, lambda job, result: results.update({job.id: result})))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert set(results) == set(texts), "the batch was finished"
    return results, loot


def check(results):
    for name in ("honest before", "honest after"):
        assert results[name]["points"] == 3, (name, results[name])
    for name, result in results.items():
        if name.startswith("honest"):
            continue
        by_id = {item["id"]: item for item in result["items"]}
        earned = by_id.get("document_concurrency", {"points": 0, "outcome": "error"})
        assert earned["points"] == 0 and earned["outcome"] != "pass", (name, result)
        assert result["points"] <= 1, (name, result)
        assert "SAW" not in str(result), (name, result)


@pytest.mark.parametrize("text", [pytest.param(text, id=how) for how, text in BESIDE.items()])
def test_extra_servers_are_named(text, tmp_path):
    """Several blocking processes or threads, which together look like a concurrent app, are recognised."""
    file = tmp_path / TASK.file
    file.write_text(text)

    async def verdict():
        async with ServedApp(file, TASK.services) as served:
            return await Judge(file, TASK, served).verdict_with_retries("concurrency")

    told = asyncio.run(verdict())
    assert (told.outcome, told.kind) == ("fail", "several processes")


@pytest.mark.sandbox
def test_sandboxed_attacks_gain_nothing(tmp_path, monkeypatch):
    """With the strongest isolation no attack earns points, reads or writes anything, or leaves a process."""
    before = orphans()
    results, loot = graded(tmp_path, HARMLESS | IN_THE_SANDBOX, "required", monkeypatch, "namespaces")
    check(results)
    assert {result["isolation"] for result in results.values()} == {"namespaces"}, "no attack had a worker killed"
    assert not list(loot.iterdir()), "nothing outside its place was written"
    assert "SAW" not in (tmp_path / "log").read_text()
    assert not orphans() - before, "nothing stays behind"


@pytest.mark.heavy
def test_unsandboxed_attacks_earn_nothing(tmp_path, monkeypatch):
    """Without namespaces each grade is right or left to a person."""
    found = levels.at_least("limits", ceiling="user")
    found.sandbox.close()
    results, loot = graded(tmp_path, HARMLESS, found.level, monkeypatch, found.level)
    check(results)
    assert {result["isolation"] for result in results.values()} <= {found.level, ""}
    assert not (loot / "memory").exists()
    # root may look into every process: where root has no better level than this, nothing hides the pipes
    assert not (loot / "pipe").exists() or (found.level == "limits" and os.geteuid() == 0)


def test_deep_folders_are_removed(tmp_path):
    """Without a folder of its own, an app can leave more folders inside each other than a recursive function can remove:
    grading ended with an exception, and with it the worker or the whole command."""
    from autograder.classroom import grade

    deep = (
        "import os\nhome = os.getcwd()\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\nos.chdir(home)\n"
    )
    found = levels.at_least("limits", ceiling="limits")
    try:
        before = set(Path(tempfile.gettempdir()).glob("course-grade-*"))
        result = asyncio.run(
            grade.grade(hand_in(tmp_path / "deep" / "x.ipynb", deep + "raise SystemExit\n"), found.sandbox, LESSON)
        )
        assert result.points == 0 and {item.outcome for item in result.items} == {"fail"}
        left = set(Path(tempfile.gettempdir()).glob("course-grade-*")) - before
        assert not [folder for folder in left if (folder / "d").exists()]
    finally:
        found.sandbox.close()


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSTOP"])
@pytest.mark.heavy
def test_killed_load_generator_is_replaced(tmp_path, monkeypatch, number):
    """Without a sandbox, an app can kill the load generator. It gets no points, and the next submission is graded correctly."""
    attack = (
        "import os, signal\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n    try:\n"
        "        status = open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()\n"
        "        line = open(f'/proc/{pid}/cmdline').read()\n    except OSError: continue\n"
        f"    if 'load_generator.py' in line and int(status[1]) == os.stat(WORKER).st_size:\n        os.kill(int(pid), signal.{number})\n"
    )
    # the load generator of this very worker, and of no other that may run on this machine: its parent's id is told by a file's size
    from autograder.classroom import grade
    from autograder.lab import load_generator_client

    monkeypatch.setattr(load_generator_client, "GRACE", 2.0)
    worker = tmp_path / "worker"
    with open(worker, "wb") as file:
        file.truncate(os.getpid())
    found = levels.at_least("limits", ceiling="limits")
    try:
        bad = hand_in(tmp_path / "bad" / "x.ipynb", f"WORKER = {str(worker)!r}\n{attack}{STARTER}")
        good = hand_in(tmp_path / "good" / "x.ipynb", REFERENCE)
        load_generator_client.load_generator()
        first = asyncio.run(grade.grade(bad, found.sandbox, LESSON))
        (concurrency,) = (item for item in first.items if item.id == TASK.item("concurrency"))
        assert concurrency.outcome in ("error", "fail") and concurrency.points == 0
        assert asyncio.run(grade.grade(good, found.sandbox, LESSON)).points == 3
    finally:
        found.sandbox.close()


def orphans():
    """The processes of sandboxes whose keeper is gone.  (Other tests may have sandboxes of their own, with a Python that keeps them.)"""
    found = set()
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        top = pid
        while b"forkserver.py" in command_of(top):
            top = parent_of(top)
        if top != pid and b"python" not in command_of(top):
            found.add(pid)
    return found


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
