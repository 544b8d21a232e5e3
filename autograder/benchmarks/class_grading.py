"""``./course bench class``: a class made from the catalogue, graded by us and by stock nbgrader, and both measured."""

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
    """What grading a class took: wall seconds, CPU seconds of the whole machine (what ends in a sandbox is not ours to
    count), and the most memory that all its processes had together."""

    seconds: float
    cpu: float
    memory: float
    code: int


def main(sizes=(30,), stock=0, lesson="05_files", workers=None, cpus=None):
    """Make and grade classes of these sizes, and the first ``stock`` of the first one with stock nbgrader; returns 0
    if both gave the same grades."""
    if not hasattr(os, "sched_setaffinity"):
        print("This benchmark needs Linux: it binds itself to CPUs, and reads memory from /proc.")
        return 2
    if cpus:
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cpus]))
    print(f"{lesson}, {len(os.sched_getaffinity(0))} CPUs, {os.getloadavg()[0]:.1f} processes running already")
    print("| who | N | submissions a minute | CPU s a submission | peak MB |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="course-bench-") as folder:
        ours = {}
        for number, size in enumerate(sizes):
            course = made(Path(folder) / f"class{size}", lesson, size)
            more = ["--workers", str(workers)] if workers else []
            took = measured(
                [sys.executable, str(paths.ROOT / "course"), "class", "grade", str(course), lesson, *more], course
            )
            row("class grade", size, took)
            if took.code not in (0, 1):
                print((course / "bench.log").read_text()[-3000:])
                return 2
            again = measured(
                [sys.executable, str(paths.ROOT / "course"), "class", "grade", str(course), lesson], course
            )
            row("the same again", size, again)
            if number == 0:
                ours = grades(course)
            shutil.rmtree(course)
        if not stock:
            return 0
        course = made(Path(folder) / "stock", lesson, stock)
        with (course / "nbgrader_config.py").open("a") as config:
            config.write(STOCK)
        took = measured([sys.executable, "-m", "nbgrader", "autograde", lesson], course)
        row("stock nbgrader", stock, took)
        theirs = grades(course)
    differ = sorted(name for name in theirs if theirs[name] != ours.get(name))
    for name in differ:
        print(f"{name}: stock nbgrader {theirs[name]}, ours {ours.get(name)}")
    print(f"{len(theirs) - len(differ)} of {len(theirs)} grades are the same.")
    return 1 if differ else 0


def made(folder, lesson, size):
    """A course folder in which ``size`` students have handed in what the catalogue knows, one after the other."""
    with Path(os.devnull).open("w") as nowhere:
        kept, sys.stdout = sys.stdout, nowhere
        try:
            new_course.main(str(folder))
        finally:
            sys.stdout = kept
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", lesson],
        cwd=folder, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    exercise = load(paths.SOLUTIONS / lesson)
    answers = {}
    for answer in catalogue(exercise):
        answers.setdefault(answer.endpoint.cell, []).append(answer)
    notebook = nbformat.read(folder / "release" / lesson / f"exercise_{lesson}.ipynb", 4)
    for number in range(size):
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in answers:
                answer = answers[name][number % len(answers[name])]
                # a comment of one's own: nobody hands in the very same file
                cell.source = f"%%app {answer.endpoint.file}\n{answer.file.read_text()}\n# {number}\n"
        target = folder / "submitted" / f"s{number:05}" / lesson
        target.mkdir(parents=True)
        nbformat.write(notebook, target / f"exercise_{lesson}.ipynb")
    return folder


def environment():
    """Ours, with the programs of this Python on PATH, where nbgrader looks for alembic."""
    path = str(Path(sys.prefix, "bin")) + os.pathsep + os.environ.get("PATH", "")
    return {**os.environ, "PATH": path, "PYTHONPATH": str(paths.ROOT), "COURSE_ENVIRONMENT": "ready"}


def measured(command, folder):
    """Run a command in a folder; returns what it took."""
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
    """Keep the largest sum of memory of a process and all that descend from it, shared pages counted once."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(proportional_memory, [process.pid, *descendants(process.pid)])) / 1e6)
        time.sleep(MEMORY_POLL_INTERVAL_S)


def row(who, size, took):
    rate = 60 * size / took.seconds
    print(f"| {who} | {size} | {rate:.0f} | {took.cpu / size:.2f} | {took.memory:.0f} |", flush=True)


def grades(folder):
    """{student: score} as nbgrader exports it."""
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--to", "grades.csv"],
        cwd=folder, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    with (folder / "grades.csv").open() as table:
        return {line["student_id"]: float(line["raw_score"]) for line in csv.DictReader(table)}
