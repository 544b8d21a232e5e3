"""The command line: parse the arguments, set up if necessary, and call the command. No logic of its own.

Only the standard library at the top: ``--help`` has to work in a fresh clone.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.errors import UserFacingError, of_os_error

PROG = "python course" if os.name == "nt" else "./course"


def _port(text: str) -> int:
    port = int(text) if text.isdigit() else -1
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return port


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _own_exercises(folder: str | None) -> None:
    """Add a teacher's folder of exercises to those of the clone."""
    if folder:
        from autograder.classroom.nbgrader.config import use_exercises

        use_exercises(str(Path(folder).resolve()))


def _lab(args: argparse.Namespace) -> int:
    from autograder.dev.jupyterlab import main

    return main(browser=not args.no_browser, port=args.port, notebook=args.notebook)


def _test(args: argparse.Namespace) -> int:
    from autograder.dev.test_command import main

    return main(args.pytest_args)


def _build(args: argparse.Namespace) -> int:
    from autograder.classroom.build import main

    return main(args.check)


def _grade(args: argparse.Namespace) -> int:
    from autograder.classroom.grade import main

    _own_exercises(args.exercises)
    return main(args.paths, args.json, args.isolation)


def _bench_verdicts(args: argparse.Namespace) -> int:
    from autograder.benchmarks.verdicts import main

    _own_exercises(args.exercises)
    return main(
        args.rounds, args.hogs, args.exercise, args.quota, args.minutes, args.compare, args.workers, args.isolation,
        args.record,
    )  # fmt: skip


def _bench_drawing(args: argparse.Namespace) -> int:
    from autograder.benchmarks.drawing import main

    return main(args.rounds)


def _bench_monitors(args: argparse.Namespace) -> int:
    from autograder.benchmarks.monitors import main

    return main(args.hogs, args.tool, args.record)


def _bench_proofs(args: argparse.Namespace) -> int:
    from autograder.benchmarks.proof_runs import main

    return main(args.runs, args.hogs, args.rounds)


def _site(args: argparse.Namespace) -> int:
    from autograder.site.build import main

    return main(args.to)


def _bench_class(args: argparse.Namespace) -> int:
    from autograder.benchmarks.class_grading import main

    return main(args.sizes, args.stock, args.lesson, args.workers, args.cpus)


def _class_new(args: argparse.Namespace) -> int:
    from autograder.classroom.new_course import main

    return main(args.folder, args.lessons, args.points, args.exercises)


def _class_add_exercise(args: argparse.Namespace) -> int:
    from autograder.classroom.add_exercise import main

    return main(args.origin, args.name, args.exercises)


def _class_variants(args: argparse.Namespace) -> int:
    from autograder.classroom.class_variants import main

    return main(args.folder, args.lesson, args.seed, args.list)


def _class_grade(args: argparse.Namespace) -> int:
    from autograder.classroom.grade_class import main

    return main(args.folder, args.lessons, args.workers, args.isolation, args.cluster, args.force, args.json)


def _class_feedback(args: argparse.Namespace) -> int:
    from autograder.classroom.class_feedback import main

    return main(args.folder, args.lessons, args.workers, args.force)


def _class_watch(args: argparse.Namespace) -> int:
    from autograder.classroom.watch import main

    return main(
        args.folder, args.lessons, args.exchange, args.tries, args.interval, args.once, args.workers, args.isolation
    )


def _class_similar(args: argparse.Namespace) -> int:
    from autograder.classroom.similarity import main

    return main(args.folder, args.lessons, args.least / 100, args.json)


def _binder_link(args: argparse.Namespace) -> int:
    from autograder.dev.binder import main

    return main()


def _class_report(args: argparse.Namespace) -> int:
    from autograder.classroom.report import main

    return main(args.folder, args.lessons, args.form, args.diagnoses)


def _lock(args: argparse.Namespace) -> int:
    from autograder.dev.lockfiles import main

    return main(check=args.check, upgrade=args.upgrade)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog=PROG,
        description="A hands-on course in not blocking the event loop. The first command sets everything up "
        "in the folder .course of this clone.",
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(group: Any, name: str, line: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = group.add_parser(
            name, help=line, description=line[0].upper() + line[1:] + ".", allow_abbrev=False
        )
        sub.set_defaults(run=run)
        return sub

    def isolation(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--isolation",
            choices=("required", "namespaces", "user", "limits", "none"),
            default="none",
            help="refuse to grade with a lower level; required means namespaces (default: the best that works here)",
        )

    def course_folder(sub: argparse.ArgumentParser, default: str = "all in the gradebook") -> None:
        sub.add_argument("folder", metavar="FOLDER", help="the nbgrader course folder")
        sub.add_argument("lessons", nargs="*", metavar="LESSON", help=f"only these (default: {default})")

    def own_exercises(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--exercises", metavar="OWN", help="a folder with exercises of your own, besides solutions/")

    def workers(sub: argparse.ArgumentParser, default: str = "3 per CPU") -> None:
        sub.add_argument("--workers", type=_at_least_one, metavar="N", help=f"worker processes (default: {default})")

    lab = command(commands, "lab", "open the course in JupyterLab", _lab)
    lab.add_argument("notebook", nargs="?", help="the notebook to open (default: lesson 00)")
    lab.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    lab.add_argument("--port", type=_port, metavar="N", help="the port to serve on (default: a free one from 8888 up)")

    test = command(commands, "test", "run the course's own tests; further arguments go to pytest", _test)
    test.usage = f"{PROG} test [-h] [--quick] [--require-all] [--cov] [PYTEST_ARGUMENT ...]"
    test.epilog = (
        "--quick leaves out what needs a browser, a server, a sandbox or time; --require-all makes a skipped test a "
        "failure, as CI=true does; --cov measures which lines are run."
    )

    build = command(commands, "build", "build notebooks/ from solutions/", _build)
    build.add_argument("--check", action="store_true", help="change nothing; fail if they differ")

    grade = command(commands, "grade", "grade submissions of a lesson", _grade)
    grade.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER", help="notebooks, or folders of notebooks")
    grade.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    own_exercises(grade)
    isolation(grade)

    bench = commands.add_parser("bench", help="measure the course itself", description="Measure the course itself.")
    benches = bench.add_subparsers(dest="bench", metavar="WHAT", required=True)
    verdicts = command(benches, "verdicts", "grade the catalogue of known answers again and again", _bench_verdicts)
    verdicts.add_argument(
        "--rounds",
        type=_at_least_one,
        default=1,
        metavar="N",
        help="how often to grade the whole catalogue (default: 1)",
    )
    verdicts.add_argument(
        "--hogs", type=_count, default=0, metavar="N", help="CPU-bound processes to run meanwhile (default: 0)"
    )
    verdicts.add_argument("--exercise", nargs="+", default=[], metavar="ID", help="only these exercises")
    verdicts.add_argument(
        "--quota", type=_at_least_one, metavar="PERCENT", help="limit the run to this share of one CPU"
    )
    verdicts.add_argument("--minutes", type=_at_least_one, metavar="N", help="stop after that time, between two trials")
    verdicts.add_argument(
        "--workers",
        type=_at_least_one,
        default=1,
        metavar="N",
        help="trials at the same time, which load the machine (default: 1)",
    )
    verdicts.add_argument("--record", metavar="FILE", help="add a line of JSON about each trial to this file")
    own_exercises(verdicts)
    isolation(verdicts)
    verdicts.add_argument("--compare", action="store_true", help="run other projects' stopwatch tests on the same apps")

    crowd = command(
        benches, "class", "grade a class made from the catalogue, and compare with stock nbgrader", _bench_class
    )
    crowd.add_argument(
        "--sizes", type=_at_least_one, nargs="+", default=[30], metavar="N", help="how many students (default: 30)"
    )
    crowd.add_argument(
        "--stock",
        type=_count,
        default=0,
        metavar="N",
        help="how many of them to grade with stock nbgrader (default: 0)",
    )
    crowd.add_argument("--lesson", default="05_files", help="the exercise (default: 05_files)")
    workers(crowd)
    crowd.add_argument("--cpus", type=_at_least_one, metavar="N", help="CPUs to use (default: all)")

    drawing = command(benches, "drawing", "measure how much drawing a race slows it down", _bench_drawing)
    drawing.add_argument(
        "--rounds", type=_at_least_one, default=5, metavar="N", help="how often to run the races (default: 5)"
    )

    proofs = command(
        benches, "proofs", "count wrong results of the pytest plugin's proofs on a busy machine", _bench_proofs
    )
    proofs.add_argument(
        "--runs", type=_at_least_one, default=1000, metavar="N", help="proofs of correct apps (default: 1000)"
    )
    proofs.add_argument(
        "--hogs", type=_count, default=30, metavar="N", help="CPU-bound processes meanwhile (default: 30)"
    )
    proofs.add_argument(
        "--rounds", type=_at_least_one, default=3, metavar="N", help="proofs of each app that blocks (default: 3)"
    )

    monitors = command(
        benches,
        "monitors",
        "compare freeloop with other tools that look for blocking, on the same apps",
        _bench_monitors,
    )
    monitors.add_argument(
        "--hogs", type=_count, default=16, metavar="N", help="CPU-bound processes of the second part (default: 16)"
    )
    monitors.add_argument("--tool", nargs="+", default=[], metavar="NAME", help="only these tools")
    monitors.add_argument(
        "--record", type=Path, metavar="FILE", help="write the table into this page, between its marks"
    )

    class_parser = commands.add_parser("class", help="teach with the course", description="Teach with the course.")
    classes = class_parser.add_subparsers(dest="class_", metavar="WHAT", required=True)
    new = command(classes, "new", "create a teacher's nbgrader course folder", _class_new)
    new.add_argument(
        "folder", metavar="FOLDER", help="the folder to create, or an existing course folder to add lessons to"
    )
    new.add_argument(
        "--lessons", nargs="+", default=[], metavar="LESSON", help="only these, by name or as in 01-05 (default: all)"
    )
    new.add_argument(
        "--points", nargs="+", default=[], metavar="LESSON=N", help="scale an exercise to N points, as in 01=10"
    )
    own_exercises(new)

    copy = command(classes, "add-exercise", "copy an exercise, to start one of your own", _class_add_exercise)
    copy.add_argument("origin", metavar="FROM", help="the exercise to copy, such as 05_files")
    copy.add_argument("name", metavar="NAME", help="the name of the new one, such as 16_letters")
    copy.add_argument("--exercises", metavar="OWN", help="a folder of your own to copy it to (default: solutions/)")

    drawn = command(classes, "variants", "write each student's variant of an exercise", _class_variants)
    drawn.add_argument("folder", metavar="FOLDER", help="the nbgrader course folder")
    drawn.add_argument("lesson", metavar="LESSON", help="the exercise, which has [variants] in its exercise.toml")
    drawn.add_argument(
        "--seed", metavar="N", help="what the variants are drawn from, once for a course (default: random)"
    )
    drawn.add_argument("--list", action="store_true", help="write nothing; list the students with their variants")

    site = command(commands, "site", "build the course as a static site", _site)
    site.add_argument("--to", metavar="FOLDER", help="the folder to build it in (default: .build/site)")

    collected = command(classes, "grade", "grade the submissions that nbgrader collected", _class_grade)
    course_folder(collected, default="all")
    workers(collected)
    collected.add_argument("--cluster", metavar="ADDRESS", help="grade on the workers of this Dask scheduler")
    collected.add_argument("--force", action="store_true", help="judge everything again")
    collected.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    isolation(collected)

    pages = command(classes, "feedback", "write nbgrader's feedback pages that have changed", _class_feedback)
    course_folder(pages)
    workers(pages, default="one per CPU")
    pages.add_argument("--force", action="store_true", help="write all of them again")

    watch = command(classes, "watch", "grade what arrives, and return feedback at once", _class_watch)
    course_folder(watch)
    watch.add_argument("--exchange", action="store_true", help="collect from nbgrader's exchange, and release there")
    watch.add_argument("--tries", type=_at_least_one, metavar="N", help="grade only the first N answers of a student")
    watch.add_argument(
        "--interval", type=_at_least_one, default=10, metavar="SECONDS", help="time between two checks (default: 10)"
    )
    watch.add_argument("--once", action="store_true", help="check once and end")
    workers(watch)
    isolation(watch)

    similar = command(classes, "similar", "list similar answers, for a person to look at", _class_similar)
    course_folder(similar)
    similar.add_argument(
        "--least",
        type=_at_least_one,
        default=90,
        metavar="PERCENT",
        help="minimum similarity of the structure (default: 90)",
    )
    similar.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    command(commands, "binder-link", "print the link that opens this clone's origin on Binder", _binder_link)

    report = command(classes, "report", "print the results of each student", _class_report)
    course_folder(report)
    report.add_argument("--diagnoses", action="store_true", help="what the class didn't understand, without names")
    form = report.add_mutually_exclusive_group()
    forms = {
        "csv": "a table",
        "json": "JSON",
        "canvas": "for Canvas",
        "moodle": "for Moodle",
        "html": "a page, with --diagnoses",
    }
    for name, words in forms.items():
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="text", help=words)

    lock = command(commands, "lock", "maintainers: pin the packages again", _lock)
    lock.add_argument(
        "--check", action="store_true", help="change nothing; fail if pyproject.toml and the locks disagree"
    )
    lock.add_argument(
        "--upgrade", action="store_true", help="take the newest versions instead of keeping the pinned ones"
    )
    return top


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse; all arguments after `test` go to pytest unparsed."""
    if argv[:1] == ["test"] and argv[1:2] not in (["-h"], ["--help"]):
        args = parser().parse_args(["test"])
        args.pytest_args = argv[1:]
        return args
    return parser().parse_args(argv)


def main(argv: list[str] | None = None, from_clone: bool = False) -> int:
    """Run one command. With `from_clone`, any Python may be running this, and the environment is created if needed."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = parse(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names and messages come from anywhere
    try:
        # An image (Binder, JupyterHub) contains the environment, and says so: nothing is set up there.
        if from_clone and os.environ.get("COURSE_ENVIRONMENT") != "ready":
            from autograder.bootstrap import environment

            return environment.enter("test" if args.command in ("test", "site") else "course", argv)
        return int(args.run(args) or 0)
    except UserFacingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except OSError as error:
        sentence = f"{of_os_error(error)} ({error})" if from_clone and of_os_error(error) else None
        if not from_clone and error.filename:
            sentence = f"{error.filename} cannot be used: {error.strerror}."
        if sentence is None:
            raise
        print(sentence, file=sys.stderr)
        return 1
