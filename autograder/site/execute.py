"""Execute the lessons for the site, and cache them by the content of the notebook and of the code that it uses."""

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

CACHE = paths.ROOT / ".course" / "site"
RUNS_ON = ("judge", "lab", "programs", "sandbox", "services")
LIMIT = 600  # s for one cell, which ends a cell that hangs
COLOURS = 64  # of a stored picture; a timeline has about ten, and the shades of their edges


def execute(notebook: Path, say=environment.say) -> nbformat.NotebookNode:
    """Return the notebook with its outputs: from the cache, or executed now.

    Raise `SetupError` if a cell raises an exception or takes longer than `LIMIT`.
    """
    cached = CACHE / f"{notebook.stem}-{_key(notebook)}.ipynb"
    if cached.is_file():
        return nbformat.read(cached, 4)
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
            raise SetupError(f"{notebook.name} can't be executed, so the site isn't built:\n{error}") from None
    say(f"executed {notebook.name} in {time.monotonic() - began:.0f} s; the outputs are cached until something changes")
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob(f"{notebook.stem}-*.ipynb"):
        old.unlink()
    nbformat.write(node, cached)
    return node


def _key(notebook):
    """Return a digest of the notebook, the files in its folder, the packages `RUNS_ON`, and the lock file."""
    digest = hashlib.sha256()
    code = (file for package in RUNS_ON for file in sorted((paths.ROOT / "autograder" / package).rglob("*.py")))
    neighbours = (file for file in sorted(notebook.parent.rglob("*")) if file.is_file() and file != notebook)
    for file in (notebook, *neighbours, *code, paths.ROOT / "lock" / "course.txt"):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:20]


def extract_images(node, folder, address):
    """Move a notebook's embedded PNG images into files in ``folder``, whose URL relative to the page is ``address``."""
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
    """Write a PNG with at most `COLOURS` colours and return the attributes of its ``<img>``."""
    name = hashlib.sha256(data).hexdigest()[:16] + ".png"
    with Image.open(io.BytesIO(data)) as image:
        size = image.size
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(folder / name, optimize=True)
    return f'src="{address}/{name}" width="{size[0]}" height="{size[1]}"'
