"""Helpers for several test modules."""

import base64
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def gone(pid):
    """Return True if no process with this id is running. A zombie doesn't count as running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return Path("/proc/self").exists()  # it ended between the two checks


def until(condition, limit=60.0):
    """Poll until ``condition()`` is true and return its value. Fail after ``limit`` seconds, which only ends a test that hangs."""
    deadline = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def run_notebook(notebook, folder, limit=300, on_picture=lambda index, data: None):
    """Run a notebook from top to bottom in a new kernel in ``folder``.

    Return the notebook and a list of (cell's index, data) for every picture, including those that were replaced later.
    ``on_picture`` is called with the same two when a picture arrives. ``limit`` is in seconds for each cell.
    """
    updates = []

    class Client(NotebookClient):
        def process_message(self, message, cell, index):
            if message["msg_type"] in ("display_data", "update_display_data"):
                if is_picture(message["content"]["data"]):
                    updates.append((index, message["content"]["data"]))
                    on_picture(*updates[-1])
            return super().process_message(message, cell, index)

    Client(notebook, timeout=limit, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, updates


def notebook_of(*cells):
    """Return a notebook with these code cells."""
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return nb


def printed(cell):
    """Return what a cell printed to stdout."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def pictures(cell):
    """Return the pictures in a cell's final output, without the empty output that a removed progress line leaves."""
    displayed = [output.data for output in cell.outputs if "data" in output]
    return [data for data in displayed if is_picture(data)]


def is_picture(data):
    """Return True for data from `timeline.bundle`, and False for a progress line."""
    return "<img" in data.get("text/html", "")


def assert_quiet(notebook):
    """Assert that a notebook has no stderr output, error or result: nbgrader would turn each into points."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", (cell.source, output.get("evalue"))
            assert not (output.output_type == "stream" and output.name == "stderr"), (cell.source, output.text)
            assert output.output_type != "execute_result", (cell.source, output)


def picture(data):
    """Return the PNG bytes in a timeline's HTML."""
    return base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", data["text/html"]).group(1))


def nbgrader(folder: Path, *words: str) -> str:
    """Run an nbgrader command in ``folder`` without the user's settings, and return what it printed."""
    home = folder.parent / "home"
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"nbgrader {' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def answered(notebook, exercise):
    """Put the reference answer to each endpoint into its cell, and return the notebook."""
    answers = {endpoint.cell: endpoint for endpoint in exercise.endpoints}
    for cell in notebook.cells:
        task = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if task:
            cell.source = f"{task.magic} {task.file}\n" + exercise.answer_file(task, "reference").read_text()
    return notebook


def reachable_by_all(folders):
    """Return bubblewrap's arguments that make folders accessible to every user, even if a parent (such as root's home) isn't."""
    words = []
    for folder in map(Path, folders):
        above = list(reversed(folder.parents))
        closed = next((n for n, parent in enumerate(above) if parent.stat().st_mode & 0o005 != 0o005), None)
        if closed is not None:
            words += ["--tmpfs", above[closed]] if above[closed] not in words else []
            for parent in above[closed + 1 :]:
                words += ["--dir", parent]
            words += ["--ro-bind", folder, folder]
    return words
