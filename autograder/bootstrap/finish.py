"""Finish an environment: compile its packages and install pip. The environment's own Python runs this.

The first start doesn't wait for it, because compiling everything takes longer than all the other steps together.
Until it's done, imports are only a little slower: Python compiles what it imports anyway.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# What the first notebook imports, in that order. It's compiled first, while JupyterLab starts.
FIRST = ("ipykernel.kernelapp", "autograder.lab", "fastapi", "uvicorn", "httpx", "matplotlib.pyplot")
# Folders that neither the course nor its tests import from: other packages' tests, vendored code, and pip.
NEVER = {"tests", "testing", "test", "third_party", "pip"}
FILES_PER_TASK = 40


def main(finished: Path, in_background: bool) -> None:
    """Compile the packages and install pip, print the progress, and create the file ``finished`` at the end."""
    if in_background:
        yield_cpu()
    for module in FIRST:  # each in a separate process, so that one failure doesn't stop the others
        subprocess.run([sys.executable, "-P", "-c", f"import {module}"], stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-I", "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
    files = sorted(find_sources(Path(sysconfig.get_path("purelib"))))
    batches = [files[start : start + FILES_PER_TASK] for start in range(0, len(files), FILES_PER_TASK)]
    workers = 1 if in_background else os.cpu_count() or 1
    with ProcessPoolExecutor(workers) as pool:
        for number, _ in enumerate(pool.map(compile_files, batches), 1):
            print(f"{min(number * FILES_PER_TASK, len(files))} of {len(files)} files", flush=True)
    finished.touch()


def yield_cpu() -> None:
    """Give this process the lowest priority, so that it runs only when no other process needs the CPU."""
    if hasattr(os, "nice"):
        os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def find_sources(site: Path) -> Iterator[Path]:
    """Yield the Python files of the packages in ``site``, except those in the folders of `NEVER`."""
    for folder, folders, names in os.walk(site):
        folders[:] = [name for name in folders if name not in NEVER]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def compile_files(files: list[Path]) -> None:
    """Write the missing bytecode of these files, skipping files that don't compile."""
    for file in files:
        compileall.compile_file(file, quiet=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--in-background" in sys.argv[2:])
