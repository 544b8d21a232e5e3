"""A first start, measured: from an empty clone to the first live plot in a browser.

    ./course test tests/browser/first_start.py -s

It isn't part of ``./course test``. The packages are downloaded again, unless ``COURSE_FIRST_START_CACHE=1`` allows the
installer's cache. The browser is open before the start, as a learner's is. The table goes into docs/first_start.md.
"""

import datetime
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers import until
from jupyterlab_page import Lab, index_of, output, run, run_from, wait_for_end, wait_for_kernel

from autograder import paths

FIRST = "00_start_here/lesson_00_start_here.ipynb"
PAGE = paths.ROOT / "docs" / "first_start.md"
OURS = ("VIRTUAL_ENV", "JUPYTER", "IPYTHONDIR", "MPLCONFIGDIR", "PYTHON", "PYTEST", "COURSE")


@pytest.mark.timeout(3600)
def test_first_start(page, tmp_path):
    rows = []

    def measured(what, seconds):
        rows.append((what, seconds if isinstance(seconds, str) else f"{seconds:.1f} s"))
        print(f"{what}: {rows[-1][1]}", flush=True)

    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", paths.ROOT, clone], check=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    # neither pip nor uv finds what an earlier set-up downloaded
    if os.environ.get("COURSE_FIRST_START_CACHE") != "1":
        environment.update(UV_CACHE_DIR=str(tmp_path / "uv-cache"), PIP_NO_CACHE_DIR="1")
    load = os.getloadavg()[0]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys._base_executable, clone / "course", "lab", "--no-browser"], cwd=clone, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    said = []  # (seconds since the start, line)

    def read():
        for line in process.stderr:
            said.append((time.monotonic() - began, line.rstrip()))
            print(f"{said[-1][0]:6.1f} s  {line.rstrip()}", flush=True)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        address = process.stdout.readline().strip()
        assert address, said
        up = time.monotonic()
        ready = next(at for at, line in said if line.startswith("Ready"))
        measured("the environment is ready after", ready)
        measured("JupyterLab has an address after", up - began)
        lab = Lab(address, clone / "notebooks")
        page.goto(address)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        measured("the notebook is shown after", time.monotonic() - began)
        wait_for_kernel(page)
        run(page, 1)
        wait_for_end(page, 1)
        measured("the first cell has run after", time.monotonic() - began)
        race = index_of(FIRST, "await lab.race(")
        run_from(page, 2, race - 1)
        output(page, race).locator("figure").first.wait_for()
        measured("the first live plot is there after", time.monotonic() - began)
        times = [0.0, *(at for at, _ in said), up - began]
        measured("the longest time without a line on the terminal", max(b - a for a, b in itertools.pairwise(times)))
        sizes = subprocess.run(["du", "-sm", clone / ".course"], capture_output=True, text=True, check=True).stdout
        measured("size of .course", f"{sizes.split()[0]} MB")
        until(lambda: next((clone / ".course").glob("py*/course-finished"), None), 900)
        measured("all packages are compiled, in the background, after", time.monotonic() - began)
        sizes = subprocess.run(["du", "-sm", clone / ".course"], capture_output=True, text=True, check=True).stdout
        measured("size of .course then", f"{sizes.split()[0]} MB")
        assert lab
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        reader.join(10)
        process.stdout.close()
        process.stderr.close()
        shutil.rmtree(clone, ignore_errors=True)
    keep(rows, load)


def keep(rows, load):
    """Write the table into its page, between the marks."""
    table = "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])
    text = (
        f"Last run on {datetime.date.today():%d %B %Y}, Python {sys.version_info[0]}.{sys.version_info[1]}, "
        f"{os.cpu_count()} cores, load average {load:.0f} before it:\n\n{table}"
    )
    marks = r"(<!-- first start: begin -->\n).*?(<!-- first start: end -->)"
    PAGE.write_text(re.sub(marks, lambda found: f"{found[1]}{text}\n{found[2]}", PAGE.read_text(), flags=re.S))
