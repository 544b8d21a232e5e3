"""``./course bench class``: measure how long this course and stock nbgrader take to grade a class made from the catalogue."""

import contextlib
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder import paths
from autograder.classroom import new_course
from autograder.judge.catalogue.catalogue import catalogue
from autograder.judge.spec.exercise import load
from autograder.programs.procfs import descendants, machine_cpu_s, proportional_memory

STOCK = (
    '\nc.Autograde.autograde_preprocessors = __import__("nbgrader").converters.Autograde().autograde_preprocessors\n'
)
MEMORY_POLL_INTERVAL_S = 0.5  # s


@dataclass
class Measured:
    """What a command took, and its exit code.

    ``cpu`` is in seconds of the whole machine, because processes that end in a sandbox aren't counted as children.
    ``memory`` is the peak of all its processes together, in MB.
    """

    seconds: float
    cpu: float
    memory: float
    code: int


def main(sizes=(30,), stock=0, lesson="05_files", workers=None, cpus=None):
    """Make and grade classes of ``sizes`` students, and a class of ``stock`` students with stock nbgrader.

    Print a table. Return 0, or 1 if stock nbgrader gave other grades than the first class got, or 2 if grading failed.
    ``cpus`` limits the run to that many CPUs.
    """
    if not hasattr(os, "sched_setaffinity"):
        print("This benchmark needs Linux: it pins itself to CPUs and reads memory use from /proc.")
        return 2
    if cpus:
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cpus]))
    print(f"{lesson}, {len(os.sched_getaffinity(0))} CPUs, {os.getloadavg()[0]:.1f} processes running already")
    print("| who | N | submissions a minute | CPU s a submission | peak MB |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="course-bench-") as folder:
        ours = {}
        for number, size in enumerate(sizes):
            course = make_class(Path(folder) / f"class{size}", lesson, size)
            more = ["--workers", str(workers)] if workers else []
            took = measure(
                [sys.executable, str(paths.ROOT / "course"), "class", "grade", str(course), lesson, *more], course
            )
            row("class grade", size, took)
            if took.code not in (0, 1):
                print((course / "bench.log").read_text()[-3000:])
                return 2
            again = measure([sys.executable, str(paths.ROOT / "course"), "class", "grade", str(course), lesson], course)
            row("the same again", size, again)
            if number == 0:
                ours = grades(course)
            shutil.rmtree(course)
        if not stock:
            return 0
        course = make_class(Path(folder) / "stock", lesson, stock)
        with (course / "nbgrader_config.py").open("a") as config:
            config.write(STOCK)
        took = measure([sys.executable, "-m", "nbgrader", "autograde", lesson], course)
        row("stock nbgrader", stock, took)
        theirs = grades(course)
    differ = sorted(name for name in theirs if theirs[name] != ours.get(name))
    for name in differ:
        print(f"{name}: stock nbgrader {theirs[name]}, ours {ours.get(name)}")
    print(f"{len(theirs) - len(differ)} of {len(theirs)} grades are the same.")
    return 1 if differ else 0


def make_class(folder, lesson, size):
    """Make a course folder with ``size`` students, who submit the catalogue's answers in turn. Return the folder."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        new_course.main(str(folder))
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", lesson],
        cwd=folder, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    exercise = load(paths.exercise(lesson))
    answers = {}
    for answer in catalogue(exercise):
        answers.setdefault(answer.endpoint.cell, []).append(answer)
    notebook = nbformat.read(folder / "release" / lesson / f"exercise_{lesson}.ipynb", 4)
    for number in range(size):
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in answers:
                answer = answers[name][number % len(answers[name])]
                # a different comment for each student, because identical files would share one cached verdict
                cell.source = f"%%app {answer.endpoint.file}\n{answer.text}\n# {number}\n"
        target = folder / "submitted" / f"s{number:05}" / lesson
        target.mkdir(parents=True)
        nbformat.write(notebook, target / f"exercise_{lesson}.ipynb")
    return folder


def environment():
    """Return this process's variables with this Python's programs on PATH, because nbgrader starts alembic from there."""
    path = str(Path(sys.prefix, "bin")) + os.pathsep + os.environ.get("PATH", "")
    return {**os.environ, "PATH": path, "PYTHONPATH": str(paths.ROOT), "COURSE_ENVIRONMENT": "ready"}


def measure(command, folder):
    """Run a command in a folder and return what it took."""
    before = machine_cpu_s()
    began = time.perf_counter()
    with (folder / "bench.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log)
        peak = [0.0]
        watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
        watcher.start()
        code = process.wait()
        watcher.join()
    seconds = time.perf_counter() - began
    return Measured(seconds, machine_cpu_s() - before, peak[0], code)


def watch(process, peak):
    """Update ``peak[0]`` until the process ends: the memory in MB of it and its descendants, counting shared pages once."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(proportional_memory, [process.pid, *descendants(process.pid)])) / 1e6)
        time.sleep(MEMORY_POLL_INTERVAL_S)


def row(who, size, took):
    """Print a row of the table."""
    rate = 60 * size / took.seconds
    print(f"| {who} | {size} | {rate:.0f} | {took.cpu / size:.2f} | {took.memory:.0f} |", flush=True)


def grades(folder):
    """Return the scores that nbgrader exports, by student; None for a submission that needs a person."""
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--to", "grades.csv"],
        cwd=folder, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    with (folder / "grades.csv").open() as table:
        return {
            line["student_id"]: float(line["raw_score"]) if line["raw_score"] else None
            for line in csv.DictReader(table)
        }
