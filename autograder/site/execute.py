"""Lessons executed for the site: each once, kept by the content of the notebook and of all that it runs on."""

import base64
import hashlib
import io
import re
import shutil
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image
from traitlets.config import Config

from autograder import paths
from autograder.bootstrap import environment
from autograder.errors import SetupError

KEPT = paths.ROOT / ".course" / "site"
RUNS_ON = ("judge", "lab", "programs", "sandbox", "services")
LIMIT = 600  # s for one cell: it ends what hangs
COLOURS = 64  # a timeline has about ten, and their edges


def executed(notebook: Path, say=environment.say) -> nbformat.NotebookNode:
    """The notebook with its outputs, from the last time that it was executed as it is now, or executed."""
    kept = KEPT / f"{notebook.stem}-{_key(notebook)}.ipynb"
    if kept.is_file():
        return nbformat.read(kept, 4)
    began = time.monotonic()
    say(f"executing {notebook.name} ...")
    with tempfile.TemporaryDirectory(prefix="course-site-") as scratch:
        folder = Path(scratch) / notebook.parent.name
        shutil.copytree(notebook.parent, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        node = nbformat.read(notebook, 4)
        client = NotebookClient(
            node,
            timeout=LIMIT,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise SetupError(f"{notebook.name} does not run to its end, so it is no page yet:\n{error}") from None
    say(
        f"executing {notebook.name} took {time.monotonic() - began:.0f} s; the outputs are kept until something changes"
    )
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.glob(f"{notebook.stem}-*.ipynb"):
        old.unlink()
    nbformat.write(node, kept)
    return node


def _key(notebook):
    digest = hashlib.sha256()
    code = (file for room in RUNS_ON for file in sorted((paths.ROOT / "autograder" / room).rglob("*.py")))
    beside = (file for file in sorted(notebook.parent.rglob("*")) if file.is_file() and file != notebook)
    for file in (notebook, *beside, *code, paths.ROOT / "lock" / "course.txt"):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:20]


def pictures_apart(node, folder, address):
    """Move the timelines out of a notebook into files of ``folder``, which its page finds at ``address``."""
    for cell in node.cells:
        for output in cell.get("outputs", []):
            page = output.get("data", {}).get("text/html")
            if page:
                output.data["text/html"] = re.sub(
                    r'src="data:image/png;base64,([^"]+)"',
                    lambda found: f'{_file(base64.b64decode(found[1]), folder, address)} loading="lazy"',
                    page,
                )


def _file(data, folder, address):
    """Write a picture, with as few colours as it needs, and return its attributes."""
    name = hashlib.sha256(data).hexdigest()[:16] + ".png"
    with Image.open(io.BytesIO(data)) as image:
        size = image.size
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(folder / name, optimize=True)
    return f'src="{address}/{name}" width="{size[0]}" height="{size[1]}"'
