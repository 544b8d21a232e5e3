"""Serving a learner's file: errors are reported in terms of the file, and no process is left behind."""

import asyncio
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import httpx
import pytest
from helpers import gone, until

from autograder import lab
from autograder.lab import load_generator_client, server
from autograder.lab.app_errors import AppError
from autograder.lab.server import Server
from autograder.programs.messages import encode
from autograder.programs.messages.reports import Ready

GOOD = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/tea")
async def tea():
    return {"tea": "green"}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="shop.py"):
        file = tmp_path / name
        file.write_text(textwrap.dedent(text).lstrip("\n"))
        return file

    yield write
    lab.stop()


def refused(file, limit=60):
    app = Server(file)
    try:
        with pytest.raises(AppError) as caught:
            app.wait_until_ready(limit)
    finally:
        app.stop()
    assert gone(app.process.pid)
    return caught.value


@pytest.mark.long
def test_server_serves_and_replaces(write):
    """Serving a file again replaces its server, and the old process is gone."""
    first = lab.serve(write(GOOD))
    assert httpx.get(first.url + "/tea").json() == {"tea": "green"}
    second = lab.serve(write(GOOD.replace("green", "black")))
    assert httpx.get(second.url + "/tea").json() == {"tea": "black"}
    assert gone(first.pid) and not gone(second.pid)
    assert lab.current() is second


@pytest.mark.parametrize(
    "text, stage, line, says",
    [
        ("import os\nasync def tea(:\n    pass\n", "syntax", 2, "async def tea(:"),
        ("from fastapi import FastAPI\n\nappl = FastAPI()\n", "no app", None, "rename it to `app`"),
        ("x = 1\n", "no app", None, "app = FastAPI()"),
        ("app = 5\n", "not an app", None, "is a int"),
        ("import os\n\n1 / 0\n", "import", 3, "ZeroDivisionError"),
        ("import no_such_module\n", "import", 1, "spelled right"),
        ("raise SystemExit(3)\n", "import", 1, "must not call sys.exit()"),
        ("import os\nprint('last words', flush=True)\nos._exit(3)\n", "died", None, "last words"),
    ],
)
def test_startup_error_names_the_line(write, text, stage, line, says):
    """A file that can't be served gives a message with the stage and the line, and no traceback."""
    error = refused(write(text))
    assert (error.stage, error.line) == (stage, line)
    assert says in str(error) and "Traceback" not in str(error)


def test_failed_lifespan_names_the_line(write):
    """An exception in the lifespan is reported with its line."""
    error = refused(
        write("""
        from contextlib import asynccontextmanager
        from fastapi import FastAPI

        @asynccontextmanager
        async def lifespan(app):
            raise KeyError("no database")
            yield

        app = FastAPI(lifespan=lifespan)
        """)
    )
    assert (error.stage, error.line) == ("startup", 6)
    assert "no database" in str(error)


NEVER_STARTS = {
    "sleeping loop": ("import time\nwhile True:\n    time.sleep(0.05)\napp = 1\n", 3),
    "computing loop": ("n = 0\nwhile True:\n    n += 1\napp = 1\n", None),
    "stopped by itself": ("import os\n\nos.kill(os.getpid(), 19)  # SIGSTOP\napp = 1\n", None),
    "uvicorn.run()": (GOOD.lstrip() + "\n\nimport uvicorn\n\nuvicorn.run(app, port=0)\n", 13),
}


@pytest.mark.parametrize("kind", NEVER_STARTS)
def test_endless_import_is_named(write, kind):
    """An import that never ends is given up, and the message names its line."""
    text, line = NEVER_STARTS[kind]
    error = refused(write(text), limit=4)
    assert error.stage == "endless" and "uvicorn.run()" in str(error)
    assert error.line == line if line else error.line in (None, 2, 3)


def test_endless_lifespan_is_named(write):
    """If the lifespan never ends, the message names it, and not an endless loop in the file."""
    text = """
    import asyncio
    from contextlib import asynccontextmanager
    from fastapi import FastAPI

    @asynccontextmanager
    async def lifespan(app):
        await asyncio.Event().wait()
        yield

    app = FastAPI(lifespan=lifespan)
    """
    error = refused(write(text), limit=4)
    assert error.stage == "endless" and "lifespan before `yield`" in str(error) and "uvicorn.run()" not in str(error)


def test_missing_file_and_bad_names(tmp_path):
    with pytest.raises(AppError, match="no file nothing.py here"):
        lab.serve(tmp_path / "nothing.py")
    assert "hide the library 'json'" in server.name_problem("json.py")
    assert "not a name" in server.name_problem("my-app.py")
    assert server.name_problem("brew.py") is None


def test_missing_server_is_reported(write):
    """Without a server, or with a dead one, `current` raises a clear error."""
    lab.stop()
    with pytest.raises(AppError, match="No app is being served yet"):
        lab.current()
    app = lab.serve(write(GOOD))
    app.process.kill()
    until(lambda: not app.alive)
    with pytest.raises(AppError, match="ended by itself"):
        lab.current()


@pytest.mark.long
def test_prints_cannot_forge_reports(write):
    """Prints neither stop the app nor pass for reports, and the log is bounded."""
    forged = encode(Ready(1, [], False))
    app = lab.serve(write(f"import os\nprint('x' * 20_000_000)\nprint({forged!r})\nos.write(1, b'more')\n" + GOOD))
    assert httpx.get(app.url + "/tea").status_code == 200
    until(lambda: app.log.endswith("more"))
    assert len(app.log) <= server.LOG_LIMIT


@pytest.mark.parametrize("name", ["nest_asyncio", "nest_asyncio2"])
def test_app_cannot_patch_its_process(write, name):
    """An app that patches its own process is refused, with the line."""
    with pytest.raises(AppError) as refused:
        lab.serve(write(f"import asyncio\nimport {name}\n\n{name}.apply()\n"))
    assert (refused.value.stage, refused.value.line) == ("import", 2)
    assert "is for notebooks" in str(refused.value) and "`await`" in str(refused.value)


def test_served_processes_are_never_patched(write):
    """nest-asyncio in the notebook doesn't affect the served process, where it would hide mistakes."""
    lab.allow_asyncio_run()
    app = lab.serve(
        write("""
        import asyncio
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/run")
        async def run():
            asyncio.run(asyncio.sleep(0))
        """)
    )
    assert httpx.get(app.url + "/run").status_code == 500


OWNER = """
import asyncio, sys
from autograder import lab
from autograder.lab.load_generator_client import load_generator

app = lab.serve(sys.argv[1])
async def main():
    print("pids", app.pid, load_generator().process.pid, flush=True)
    await lab.race(sys.argv[2], n=3)
asyncio.run(main())
"""

STUCK = {
    "blocked": "import time\ndef work():\n    print('child', 0, flush=True)\n    time.sleep(1000)",
    "child": (
        "import subprocess, time\ndef work():\n    child = subprocess.Popen(['sleep', '1000'])\n"
        "    print('child', child.pid, flush=True)\n    time.sleep(1000)"
    ),
    # one call in C that never lets go of the GIL: no thread of that process can do anything about it
    "gil": "import re\ndef work():\n    print('child', 0, flush=True)\n    re.match('(a+)+$', 'a' * 60 + 'b')",
}


@pytest.mark.long
@pytest.mark.posix
@pytest.mark.parametrize("kind", STUCK)
def test_server_ends_with_its_owner(write, tmp_path, kind):
    """Nothing that the server started survives the death of its owner."""
    told = tmp_path / "told"
    file = write(
        "import sys\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        + STUCK[kind].replace("flush=True", f"file=open({str(told)!r}, 'a'), flush=True")
        + '\n\n@app.get("/stuck")\nasync def stuck():\n    work()\n'
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, file, "/stuck"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    pids = [int(word) for word in re.findall(r"\d+", owner.stdout.readline())]
    line = until(lambda: told.exists() and told.read_text().strip())
    pids += [int(word) for word in re.findall(r"\d+", line) if word != "0"]
    assert len(pids) == (3 if kind == "child" else 2) and not any(gone(pid) for pid in pids)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    for pid in pids:
        until(lambda pid=pid: gone(pid), limit=30)


@pytest.mark.posix
def test_load_generator_ends_its_servers():
    """The number of a server that was stopped may be another process's by then."""
    sleeps = [sys.executable, "-c", "import time; time.sleep(1000)"]
    guarded, stopped = (subprocess.Popen(sleeps, start_new_session=True) for _ in range(2))
    servers = [SimpleNamespace(process=process, guard=None) for process in (guarded, stopped)]
    load_generator = load_generator_client.LoadGenerator()
    try:
        for server in servers:
            load_generator.guard(server)
        load_generator.forget(servers[1])
        load_generator.close()
        until(lambda: guarded.poll() is not None)
        assert stopped.poll() is None
    finally:
        for process in (guarded, stopped):
            process.kill()
            process.wait()


async def test_stopped_server_is_unguarded(write, monkeypatch):
    """The load generator no longer guards a server that was stopped."""
    forgotten = []
    monkeypatch.setattr(load_generator_client.LoadGenerator, "forget", lambda self, server: forgotten.append(server))
    app = lab.serve(write(GOOD))
    await lab.race("/tea", n=1, show=False)
    assert app.guard and not forgotten
    app.stop()
    assert forgotten == [app]


async def test_blocked_app_stops_at_once(write):
    """Stopping a server ends it even if its app is blocked."""
    app = lab.serve(write("import time\n" + GOOD + '\n@app.get("/stuck")\nasync def stuck():\n    time.sleep(1000)\n'))
    race = asyncio.create_task(lab.race("/stuck", n=1, show=False))
    await asyncio.sleep(0)
    await asyncio.to_thread(app.stop)
    result = await race
    assert result.requests[0].status is None and gone(app.pid)


@pytest.mark.parametrize("name", ["serve_app", "app_warm_up", "loop_watchdog", "procfs", "supervisor", "messages"])
def test_program_name_can_be_served(tmp_path, name):
    """What serves an app is imported before it, and must not stand in for a learner's file of the same name."""
    file = tmp_path / f"{name}.py"
    file.write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    served = Server(file)
    try:
        served.wait_until_ready()
        assert served.alive
    finally:
        served.stop()
