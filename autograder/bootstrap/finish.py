"""Finish an environment: compile its packages and give it pip. Run by the environment's own Python.

A first start doesn't wait for this. Python compiles what it imports anyway, so all that is lost until it's done is a
little time; and compiling everything takes longer than everything else that a first start does.
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

# What the first notebook imports, in the order in which it does: compiled first, while JupyterLab starts.
FIRST = ("ipykernel.kernelapp", "autograder.lab", "fastapi", "uvicorn", "httpx", "matplotlib.pyplot")
# Never imported by the course or its tests: other packages' tests, and what stands in for other programs.
NEVER = {"tests", "testing", "test", "third_party", "pip", "setuptools"}
FILES_PER_TASK = 40


def main(finished: Path, in_background: bool) -> None:
    """Do all of it, printing how far it is, and create the file ``finished``."""
    if in_background:
        yield_cpu()
    for module in FIRST:  # each in a process of its own: one that fails must not stop the others
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
    """Give this process the lowest priority: it runs when nothing else wants the CPU."""
    if hasattr(os, "nice"):
        os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def find_sources(site: Path) -> Iterator[Path]:
    """Yield the Python files of the packages in ``site`` that something may import."""
    for folder, folders, names in os.walk(site):
        folders[:] = [name for name in folders if name not in NEVER]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def compile_files(files: list[Path]) -> None:
    """Write the bytecode of these files where it's missing; a file that doesn't compile is left out."""
    for file in files:
        compileall.compile_file(file, quiet=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--in-background" in sys.argv[2:])
