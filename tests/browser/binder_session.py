"""A session on Binder, simulated: ./course test tests/browser/binder_session.py -s (minutes; not among the other tests).

It prints what it measured, and writes the same table into docs/binder.md.
"""

import contextlib
import datetime
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from helpers import until
from jupyterlab_page import Lab, index_of, output, replace, run, run_from, wait_for_end, wait_for_kernel

from autograder import paths
from autograder.judge.spec.exercise import load

MEMORY = 2 * 2**30
FIRST = "00_start_here/lesson_00_start_here.ipynb"
USER = "nobody"
NOWHERE = "http://127.0.0.1:9"  # where whatever wants to download something is sent


@contextlib.contextmanager
def memory_group():
    """A control group of 2 GiB, where we may make one: (the start of a command line, its folder)."""
    parent = next((p for p in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")) if p.is_dir()), None)
    group = parent / f"course-{os.getpid()}" if parent else None
    try:
        group.mkdir()
        limit = next(group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
        limit.write_text(str(MEMORY))
    except (OSError, AttributeError, StopIteration):
        yield [], None
        return
    try:
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"], group
    finally:
        with contextlib.suppress(OSError, AssertionError):
            until(lambda: not (group / "cgroup.procs").read_text().strip(), 30)
            group.rmdir()


def peak(group):
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if group and (group / name).exists():
            return f"{int((group / name).read_text()) / 2**20:.0f} MiB, at most {MEMORY // 2**20} allowed"
    return "not limited: this machine lets us make no control group"


@pytest.mark.timeout(3600)
def test_a_session(page, tmp_path_factory):
    rows = []

    def measured(what, value):
        rows.append((what, value if isinstance(value, str) else f"{value:.1f} s"))
        print(f"{what}: {rows[-1][1]}", flush=True)

    base = Path("/tmp") / f"course-binder-{os.getpid()}"  # where another user may enter, as pytest's own may not
    home = base / "jovyan"
    base.mkdir()
    repo = home
    root = os.geteuid() == 0
    identity = {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []} if root else {}
    environment = {"HOME": str(home), "REPO_DIR": str(repo), "LANG": "C.UTF-8", "USER": USER, "SHELL": "/bin/bash",
                   "PATH": f"{base}/env/bin:/usr/local/bin:/usr/bin:/bin"}  # fmt: skip
    pip = {
        key: os.environ[key] for key in os.environ if key.startswith(("PIP_", "UV_", "SSL_")) or "proxy" in key.lower()
    }

    def step(command, **more):
        subprocess.run(command, cwd=repo, check=True, **identity, env={**environment, **more})

    try:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", paths.ROOT, repo], check=True)
        if root:
            subprocess.run(["chown", "-R", f"{USER}:", base], check=True)

        # the environment file's pip part, read from the folder that repo2docker reads
        told = yaml.safe_load((repo / "binder" / "environment.yml").read_text())
        (lines,) = [entry["pip"] for entry in told["dependencies"] if isinstance(entry, dict)]
        python = next(f for name in ("python3.12", "python3.11", "python3.13")
                      if (f := shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")))  # fmt: skip
        began = time.monotonic()
        step([python, "-m", "venv", base / "env"])
        (repo / "binder" / "pip.txt").write_text("\n".join(lines) + "\n")
        step([base / "env" / "bin" / "pip", "install", "-q", "--no-cache-dir", "-r", "binder/pip.txt"], **pip)
        (repo / "binder" / "pip.txt").unlink()
        measured("the packages are installed after", time.monotonic() - began)
        began = time.monotonic()
        step([repo / "binder" / "postBuild"])
        measured("postBuild took", time.monotonic() - began)

        with memory_group() as (inside, group):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command = [
                "jupyter",
                "lab",
                "--ip=127.0.0.1",
                f"--port={port}",
                "--no-browser",
                "--IdentityProvider.token=simulated",
            ]
            if inside:  # entering the group takes root, staying in it does not
                command = [*inside, "setpriv", f"--reuid={USER}", f"--regid={identity['group']}", "--clear-groups",
                           repo / "binder" / "start", *command]  # fmt: skip
            else:
                command = [repo / "binder" / "start", *command]
            command = ["taskset", "-c", "0", *command] if shutil.which("taskset") else command
            started = time.monotonic()
            server = subprocess.Popen(
                command, cwd=repo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                env={**environment, "HTTPS_PROXY": NOWHERE, "PIP_INDEX_URL": NOWHERE}, **({} if inside else identity),
            )  # fmt: skip
            try:
                lab = Lab(f"http://127.0.0.1:{port}/lab?token=simulated", repo)

                def up():
                    with contextlib.suppress(urllib.error.URLError):
                        return urllib.request.urlopen(f"{lab.base}/api/status?token=simulated").status == 200

                until(up)
                measured("the server answers after", time.monotonic() - started)
                assert user_of(server.pid) != "root"

                # Binder's link: the notebook in front, the file browser in its folder
                began = time.monotonic()
                page.goto(f"{lab.base}/lab/tree/notebooks/{FIRST}?token=simulated")
                page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
                measured("the notebook is shown after", time.monotonic() - began)
                up_at = time.monotonic()
                wait_for_kernel(page)
                run(page, 1)
                wait_for_end(page, 1)
                measured("from then until the first cell has run", time.monotonic() - up_at)
                # the row of folders above the list says where the file browser is
                assert "notebooks" in page.locator(".jp-BreadCrumbs").inner_text()
                first_race = index_of(FIRST, "await lab.race(")
                run_from(page, 2, first_race - 1)
                output(page, first_race).locator("figure").wait_for()
                measured("from the notebook to the first plot", time.monotonic() - up_at)
                cells = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").count()
                run_from(page, first_race + 1, cells - first_race - 1)
                until(lambda: "[*]" not in page.locator(".jp-Notebook").inner_text(), 600)
                measured("from the notebook to the end of lesson 00, run without reading", time.monotonic() - up_at)
                exercise_01(page, lab)
                measured("an endpoint of exercise 01 repaired and checked", "yes")
                measured("memory of the whole session", peak(group))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(server.pid, 15)
                server.wait()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    keep(rows)


def user_of(pid):
    return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name


def exercise_01(page, lab):
    name = "01_sleeping/exercise_01_sleeping.ipynb"
    page.goto(f"{lab.base}/lab/tree/notebooks/{name}?token=simulated")
    wait_for_kernel(page)
    app, check = index_of(name, "%%app report.py"), index_of(name, 'await exercise.race("report")')
    run_from(page, 0, check + 1)
    output(page, check).get_by_text("Not yet: The event loop was blocked").wait_for()
    exercise = load(paths.SOLUTIONS / "01_sleeping")
    replace(page, app, "%%app report.py\n" + exercise.answer_file(exercise.endpoint("report"), "reference").read_text())
    run_from(page, app, check - app + 1)
    output(page, check).get_by_text("the requests ran side by side").wait_for()


def keep(rows):
    """Write the table into docs/binder.md, between its marks."""
    page = paths.ROOT / "docs" / "binder.md"
    load_1 = os.getloadavg()[0]
    table = "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])
    said = (
        f"Last run on {datetime.date.today():%d %B %Y}, Python {sys.version_info[0]}.{sys.version_info[1]}, "
        f"load average {load_1:.0f} on {os.cpu_count()} cores:\n\n{table}"
    )
    marks = r"(<!-- simulated session: begin -->\n).*?(<!-- simulated session: end -->)"
    page.write_text(re.sub(marks, lambda found: f"{found[1]}{said}\n{found[2]}", page.read_text(), flags=re.S))
