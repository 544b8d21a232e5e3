"""A class on JupyterHub, by the configuration in docs/hub: real logins, servers and proxy, and nbgrader's exchange."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import nbformat
import pytest
from helpers import answered, gone, reachable_by_all, until
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from autograder import paths
from autograder.judge.spec.exercise import load
from autograder.programs.procfs import descendants
from autograder.sandbox import bubblewrap

pytestmark = pytest.mark.hub

LESSON = "05_files"
NOTEBOOK = f"{LESSON}/exercise_{LESSON}.ipynb"
EXERCISE = load(paths.SOLUTIONS / LESSON)
TEACHER, STUDENTS = "teacher", ("ada", "grace")
PASSWORD = "for this test alone"
LIMIT = 300  # s for each step: it ends what hangs, and judges nobody's speed

# What a test needs to be different: passwords, ports, no limit of time, and a proxy that comes as a wheel.
CHANGES = """
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [str(PROGRAMS / "configurable-http-proxy"), "--proxy-timeout", "{limit}000"]
c.Spawner.start_timeout = c.Spawner.http_timeout = {limit}
"""
# Where we may not be several users, all share our own account, as they do in containers.
ONE_ACCOUNT = """
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.args.append("--allow-root")
"""


def configured(name, **values):
    """The text of a file of docs/hub, with other values in its first lines, as a teacher would put them there."""
    text = (paths.ROOT / "docs" / "hub" / name).read_text()
    for key, value in values.items():
        text, found = re.subn(rf"(?m)^{key} = .*?(?=\s*(#|$))", lambda _, to=f"{key} = {value}": to, text)
        assert found == 1, f"{name} has one line for {key}"
    return text


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def many_accounts(folder):
    """What to put before a command so that it is root where each user of the hub has an account; [] if that cannot be.

    The accounts are there for that command alone: it sees another /etc/passwd than the rest of the machine.
    """
    if os.geteuid() != 0 or not bubblewrap.program():
        return []
    import pwd

    users = {name: 70001 + number for number, name in enumerate((TEACHER, *STUDENTS))}
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.pw_name for entry in pwd.getpwall()}
    if not taken.isdisjoint({*users, *users.values()}):
        return []
    for file, line in (
        ("passwd", "{name}:x:{uid}:{uid}::{home}:/bin/bash\n"),
        ("group", "{name}:x:{uid}:\n"),
    ):
        lines = [line.format(name=name, uid=uid, home=folder / "homes" / name) for name, uid in users.items()]
        (folder / file).write_text(Path("/etc", file).read_text() + "".join(lines))
    for name, uid in users.items():
        (folder / "homes" / name).mkdir(mode=0o700)
        os.chown(folder / "homes" / name, uid, uid)
    words = [bubblewrap.program(), "--dev-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "--die-with-parent"]
    words += ["--cap-add", "ALL"]
    words += reachable_by_all([*bubblewrap.pythons(), paths.ROOT])
    for file in ("passwd", "group"):
        words += ["--ro-bind", folder / file, f"/etc/{file}"]
    works = subprocess.run([*words, sys.executable, "-c", "import os; os.setuid(70001)"], capture_output=True)
    return words if works.returncode == 0 else []


def is_hub(pid):
    """True for the hub, and not for what it was started by or has started."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return words[1:3] == [b"-m", b"jupyterhub"]


@pytest.fixture
def hub():
    """A hub that runs; its address, and the folder with all that belongs to it."""
    folder = Path(tempfile.mkdtemp(prefix="course-hub-"))  # pytest's own may be closed to others
    folder.chmod(0o755)
    for name, mode in (("homes", 0o755), ("exchange", 0o777), ("settings", 0o755), ("state", 0o700)):
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    public, api, own = free_ports(3)
    address = f"http://127.0.0.1:{public}"
    before = many_accounts(folder)
    config = configured(
        "jupyterhub_config.py",
        COURSE=f"Path({str(paths.ROOT)!r})",
        SETTINGS=f"Path({str(folder / 'settings')!r})",
        INSTRUCTORS=repr({TEACHER}),
        STUDENTS=repr(set(STUDENTS)),
        ADDRESS=repr(address),
    )
    config += CHANGES.format(password=PASSWORD, hub=own, api=api, limit=LIMIT)
    if not before:
        config += ONE_ACCOUNT.format(homes=str(folder / "homes" / "{username}"))
    (folder / "state" / "jupyterhub_config.py").write_text(config)
    (folder / "settings" / "nbgrader_config.py").write_text(
        configured("nbgrader_config.py", EXCHANGE=repr(str(folder / "exchange")), INSTRUCTORS=repr({TEACHER}))
    )
    # nothing of ours but what a service manager gives: the users' servers inherit from it
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "TMPDIR": tempfile.gettempdir()}
    running = []
    with open(folder / "state" / "log", "wb") as log:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "jupyterhub"],
            cwd=folder / "state", env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            said = folder / "state" / "log"
            until(lambda: b"JupyterHub is now running" in said.read_bytes() or process.poll() is not None, LIMIT)
            assert process.poll() is None, said.read_text()
            yield address, folder
            running = [process.pid, *descendants(process.pid)]
            os.kill(next(pid for pid in running if is_hub(pid)), signal.SIGTERM)
            until(lambda: process.poll() is not None, LIMIT)
            until(lambda: all(map(gone, running)), LIMIT)
        finally:
            print(said.read_text())  # pytest shows it if the test failed
            if process.poll() is None:
                running = [process.pid, *descendants(process.pid)]
            for pid in running:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
    shutil.rmtree(folder)


class User:
    """A user of the hub with a browser: logged in, with a running server."""

    def __init__(self, address, name):
        self.name = name
        self.base = f"/user/{name}/"
        self.web = httpx.AsyncClient(base_url=address, follow_redirects=True, timeout=LIMIT)

    def token(self, path):
        """Return the header with the XSRF token, as a page of the hub would send it."""
        return {"X-XSRFToken": next(c.value for c in self.web.cookies.jar if c.name == "_xsrf" and c.path == path)}

    async def log_in(self):
        await self.web.get("/hub/login")
        form = {"username": self.name, "password": PASSWORD, "_xsrf": self.token("/hub/")["X-XSRFToken"]}
        page = await self.web.post("/hub/login", data=form)
        assert page.status_code == 200, page.text

    async def enter(self):
        """Wait until the server that the login began is ready, and open it; returns the address of its page."""
        where = f"/hub/api/users/{self.name}/server/progress"
        async with self.web.stream("GET", where, headers=self.token("/hub/")) as progress:
            news = [json.loads(line[5:]) async for line in progress.aiter_lines() if line.startswith("data:")]
        assert news and news[-1].get("ready"), news
        page = await self.web.get(self.base)
        assert page.status_code == 200, page.text
        return page.url.path

    async def ask(self, method, path, **more):
        return await self.web.request(method, self.base + path, headers=self.token(self.base), **more)

    async def assignments(self, action=""):
        """nbgrader's list of assignments, after ``action`` (fetch, submit, fetch_feedback) on the lesson."""
        about = {"course_id": "async101", "assignment_id": LESSON}
        reply = await self.ask(*(("POST", f"assignments/{action}") if action else ("GET", "assignments")), params=about)
        assert reply.status_code == 200 and reply.json()["success"], reply.text
        return {entry["status"]: entry for entry in reply.json()["value"]}

    async def file(self, path):
        return await self.ask("GET", f"api/contents/{path}")

    async def terminal(self, *commands):
        """Type commands into a terminal, one when the other has ended; returns all that it showed."""
        name = (await self.ask("POST", "api/terminals")).json()["name"]
        there = self.web.base_url.join(f"{self.base}terminals/websocket/{name}").copy_with(scheme="ws")
        cookies = self.web.build_request("GET", self.base).headers["Cookie"]
        socket = await websocket_connect(
            HTTPRequest(str(there), headers={"Cookie": cookies, **self.token(self.base)}, request_timeout=LIMIT)
        )
        shown = ""
        for number, command in enumerate(commands):
            await socket.write_message(json.dumps(["stdin", f"{command}; echo ended:{number}:$?\r"]))
            while not (ended := re.search(rf"ended:{number}:(\d+)\s", shown)):
                said = await asyncio.wait_for(socket.read_message(), LIMIT)
                assert said is not None, shown
                kind, *text = json.loads(said)
                shown += text[0] if kind == "stdout" else ""
            assert ended[1] == "0", shown
        socket.close()
        return shown


@pytest.mark.slow
@pytest.mark.timeout(1800)  # about twenty programs are started, one after the other
async def test_class_from_release_to_feedback(hub):
    """On JupyterHub, a teacher releases a lesson, two students submit it, and each fetches feedback."""
    address, _folder = hub
    teacher, ada, grace = everybody = [User(address, name) for name in (TEACHER, *STUDENTS)]
    for user in everybody:
        await user.log_in()
    for user in everybody:
        assert await user.enter() == f"{user.base}lab"

    await teacher.terminal(
        '[ "$COURSE_ENVIRONMENT" = ready ]',
        "course class new ~/async101",
        "cd ~/async101",
        f"nbgrader generate_assignment {LESSON}",
        f"nbgrader release_assignment {LESSON}",
    )
    for student in (ada, grace):
        assert list(await student.assignments()) == ["released"]
        assert list(await student.assignments("fetch")) == ["fetched"]
    model = (await ada.file(NOTEBOOK)).json()
    notebook = answered(nbformat.from_dict(model["content"]), EXERCISE)
    saved = await ada.ask("PUT", f"api/contents/{NOTEBOOK}", json={"type": "notebook", "content": notebook})
    assert saved.status_code == 200, saved.text
    for student in (ada, grace):
        assert "submitted" in await student.assignments("submit")

    shown = await teacher.terminal(
        "cd ~/async101",
        f"nbgrader collect {LESSON}",
        f"course class grade ~/async101 {LESSON}",
        f"nbgrader generate_feedback {LESSON}",
        f"nbgrader release_feedback {LESSON}",
    )
    points = {
        part: sum(endpoint.points[part] for endpoint in EXERCISE.endpoints) for part in ("answers", "concurrency")
    }
    listed = await teacher.ask("GET", f"formgrader/api/submissions/{LESSON}")
    assert {entry["student"]: entry["score"] for entry in listed.json()} == {
        "ada": points["answers"] + points["concurrency"],
        "grace": points["answers"],
    }, shown
    assert (await ada.ask("GET", f"formgrader/api/submissions/{LESSON}")).status_code == 404

    for student in (ada, grace):
        (submission,) = (await student.assignments("fetch_feedback"))["submitted"]["submissions"]
        page = (await student.file(f"{submission['local_feedback_path']}/{Path(NOTEBOOK).stem}.html")).json()["content"]
        assert "Passed." in page and ("`file.read()` in line" in " ".join(page.split())) == (student is grace)
    for user in everybody:
        await user.web.aclose()
