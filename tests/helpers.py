"""Small things that several tests need."""

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
    """True if no process of that id runs any more (a zombie does not run)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return Path("/proc/self").exists()  # it ended between the two looks


def until(condition, limit=60.0):
    """Poll until ``condition()`` holds; fails after ``limit`` seconds, which says nothing about speed."""
    deadline = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def run_notebook(notebook, folder, limit=300, on_picture=lambda index, data: None):
    """Run a notebook from top to bottom in a fresh kernel in ``folder``; returns (notebook, every picture as it came).

    ``on_picture`` is called with each picture when it comes, and with the number of its cell.
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
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return nb


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def pictures(cell):
    """What a cell shows for good: a progress line, which a busy machine makes, leaves an empty one behind."""
    shown = [output.data for output in cell.outputs if "data" in output]
    return [data for data in shown if is_picture(data)]


def is_picture(data):
    """True for what `timeline.bundle` makes, and not for a progress line."""
    return "<img" in data.get("text/html", "")


def assert_quiet(notebook):
    """Nothing on stderr, no error, no stray result: nbgrader would make points of any of them."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", (cell.source, output.get("evalue"))
            assert not (output.output_type == "stream" and output.name == "stderr"), (cell.source, output.text)
            assert output.output_type != "execute_result", (cell.source, output)


def picture(data):
    """The PNG bytes in a timeline's HTML."""
    return base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", data["text/html"]).group(1))


def nbgrader(folder: Path, *words: str) -> str:
    """Run an nbgrader command in ``folder`` with settings of its own, not the user's; returns what it printed."""
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
    """The notebook with the reference answer to each endpoint in its cell."""
    answers = {endpoint.cell: endpoint for endpoint in exercise.endpoints}
    for cell in notebook.cells:
        task = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if task:
            cell.source = f"{task.magic} {task.file}\n" + exercise.answer_file(task, "reference").read_text()
    return notebook


def reachable_by_all(folders):
    """bubblewrap's words for folders that every user can reach, though one above them, root's own home say, is closed."""
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
