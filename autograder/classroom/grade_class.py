"""Grades the submissions that nbgrader collected, several at a time, and writes them to nbgrader's gradebook."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.classroom import cache_keys, handed_in, intake
from autograder.classroom.lessons import LessonMismatch, lesson_of
from autograder.classroom.nbgrader import feedback
from autograder.classroom.nbgrader.gradebook import Course, CourseError
from autograder.classroom.printable import one_line, printable
from autograder.classroom.progress import Progress
from autograder.classroom.verdict_cache import Store
from autograder.classroom.worker_pool import Job, JobRefused, LocalPool, default_workers
from autograder.classroom.writer import UNDECIDED, GradebookWriter, is_final
from autograder.sandbox import levels

if TYPE_CHECKING:
    from autograder.classroom.dask_pool import ClusterPool
    from autograder.judge.spec.variants import Variant

ALL_GRADED, NEED_A_PERSON, BAD_INPUT, STOPPED = 0, 1, 2, 3


def main(
    folder: str,
    lessons: Sequence[str] = (),
    workers: int | None = None,
    isolation: str = "none",
    cluster: str | None = None,
    force: bool = False,
    as_json: bool = False,
    tries: int | None = None,
) -> int:
    """Grade a class. Return 0 if all are graded, 1 if some need a person, 2 for bad input, 3 if it had to stop.

    A student's answers after the first ``tries`` different ones aren't graded, and the last grade stays. With ``as_json``,
    each event is a line of JSON on stdout: isolation, lesson, rescued, "needs a person", done, end.
    """
    try:
        course = Course(folder, isolation)
        known = course.lessons()
        if not known:
            raise CourseError("The gradebook has no lesson. Make one: nbgrader generate_assignment 03_databases, say")
        for lesson in lessons:
            if lesson not in known:
                raise CourseError(unknown(lesson, known, course))
        room = course.folder / ".grading"
        (room / "logs").mkdir(parents=True, exist_ok=True)
        store = Store(room / "verdicts.sqlite3")
    except CourseError as problem:
        print(problem, file=sys.stderr)
        return BAD_INPUT
    except sqlite3.OperationalError as problem:
        print(f"Another run is grading this class, or its notes cannot be read: {problem}.", file=sys.stderr)
        return BAD_INPUT
    except OSError as problem:
        print(f"{problem.filename or folder} cannot be used: {problem.strerror}.", file=sys.stderr)
        return BAD_INPUT
    run = Run(course, store, room, workers or default_workers(), cluster, force, as_json, tries)
    try:
        return asyncio.run(run.grade(lessons or known))
    except (JobRefused, levels.IsolationUnavailable, LessonMismatch) as refused:
        print(refused, file=sys.stderr)
        return BAD_INPUT
    except (OSError, sqlite3.Error) as problem:
        print(f"Stopped: {problem}. What was graded is kept; run this again to go on.", file=sys.stderr)
        return STOPPED
    finally:
        with contextlib.suppress(sqlite3.Error):
            store.close()


def unknown(lesson: str, known: list[str], course: Course) -> str:
    """Return a sentence on a lesson that isn't in the gradebook: generate it if it has a source, else what was meant."""
    if course.source(lesson).is_dir():
        return f"{lesson} isn't in the gradebook yet. Run: nbgrader generate_assignment {lesson}"
    close = difflib.get_close_matches(lesson, known, 1, 0.4)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"There is no lesson {lesson!r} in this course.{meant} The gradebook has: {', '.join(known)}."


class Run:
    """One run over a class."""

    def __init__(
        self,
        course: Course,
        store: Store,
        room: Path,
        workers: int,
        cluster: str | None,
        force: bool,
        as_json: bool = False,
        tries: int | None = None,
    ) -> None:
        self.course = course
        self.store = store
        self.room = room
        self.workers = workers
        self.cluster = cluster
        self.force = force
        self.as_json = as_json
        self.tries = tries
        self.people: dict[tuple[str, str], str] = {}  # {(lesson, student): why a person must look}
        self.handed_in = 0
        self.lessons: list[str] = []
        self.progress: Progress | None = None

    def emit(self, event: str, text: str, **facts: Any) -> None:
        """Print the ``text`` of an event or, with ``as_json``, the event and its facts as a line of JSON."""
        print(json.dumps({"event": event, **facts}) if self.as_json else text, flush=True)

    async def grade(self, lessons: Sequence[str]) -> int:
        """Grade lessons one after another. Returns the exit code."""
        # find out the level first, because it's part of each cache key
        found = levels.at_least(self.course.isolation) if not self.cluster else None
        self.level = found.level if found else f"cluster, {self.course.isolation}"
        if found:
            self.emit("isolation", found.sentence, level=found.level, sentence=found.sentence)
            if found.sandbox:
                found.sandbox.close()
        self.lessons = list(lessons)
        for lesson in lessons:
            await self._lesson(lesson)
            reasons = {student: why for (its_lesson, student), why in self.people.items() if its_lesson == lesson}
            self.store.note_people(lesson, reasons)
        return self._end()

    async def _lesson(self, lesson: str) -> None:
        """Judge and write what is new or changed in a lesson."""
        books = {
            name: lesson_of(ids, lesson, name, self.course.source(lesson))
            for name, ids in self.course.items(lesson).items()
        }
        todo, jobs, done = [], [], self.store.written(lesson)
        broken, still_broken = self.store.broken(lesson), 0
        tried, too_many = self.store.tried(lesson), 0
        students = self.course.handed_in(lesson)
        draws = {name: self.course.variants(ours, students) for name, ours in books.items() if ours}
        self.handed_in += len(students)
        for student, folder in students.items():
            if why := one_line(handed_in.problem(folder)):
                shown = ascii(student)[1:-1]
                self.people[lesson, shown] = why
                self.emit("needs a person", f"needs a person: {shown}: {why}", lesson=lesson, student=shown, why=why)
                self._page_for_refused(lesson, student, books, why)
                continue
            extra, missing = self._sort_out(lesson, student, folder, books, draws)
            handed, drawn, key = {}, {}, []
            for name, ours in books.items():
                file = folder / f"{name}.ipynb"
                if ours and file.exists():
                    drawn[file] = draws[name][student]
                    handed[file] = (cache_keys.of_submission(file, ours, self.level, drawn[file]), ours)
                    key.append(handed[file][0])
                elif file.exists():
                    key.append(cache_keys.of_file(file))
            whole = " ".join(sorted(key))
            if not self.force and self._is_done(lesson, student, done.get(student), whole):
                if extra:
                    self.needs_a_person(lesson, student, extra)
                continue
            files = " ".join([whole, *(cache_keys.of_file(folder / f"{name}.ipynb") for name in books), missing])
            before, why = broken.get(student, ("", ""))
            if before == files and not self.force:
                still_broken += 1
                self.needs_a_person(lesson, student, why)
                continue
            answers = cache_keys.of_answers((file, ours) for file, (_, ours) in handed.items())
            earlier = tried.get(student, set())
            if self.tries and answers not in earlier and len(earlier) >= self.tries:
                too_many += 1
                said = f"{student} has used all tries at {lesson} ({len(earlier)}): the new answers aren't graded."
                self.emit("no more tries", said, lesson=lesson, student=student, tries=len(earlier))
                continue
            one = Submission(lesson, student, whole, {file: key for file, (key, _) in handed.items()}, missing, extra)
            one.answers = answers
            one.files = files
            todo.append(one)
            for file, (file_key, ours) in handed.items():
                if self.force or self.store.result(file_key) is None:
                    jobs.append(Job(f"{student}/{file.name}", str(file), ours, drawn[file]))
        count = len(students)
        graded = count - len(todo) - still_broken - too_many
        self.emit(
            "lesson",
            f"{lesson}: {count} submissions, {graded} graded before, {len(jobs)} to be judged.",
            lesson=lesson,
            submissions=count,
            graded_before=graded,
            unchanged_and_broken=still_broken,
            to_judge=len(jobs),
        )
        if todo:
            await self._work(lesson, todo, jobs)

    def _page_for_refused(self, lesson: str, student: str, books: dict[str, str | None], why: str) -> None:
        """Write the feedback page of a student whose folder was refused."""
        pages = self.course.feedback(lesson, student)
        for name in books:
            if not (pages / f"{name}.html").exists():
                feedback.write_not_graded(
                    pages,
                    name,
                    f"{why.removeprefix('Not graded: ').rstrip('.')}.",
                    self.course.submitted(lesson, student),
                )

    def _sort_out(
        self,
        lesson: str,
        student: str,
        folder: Path,
        books: dict[str, str | None],
        draws: dict[str, dict[str, Variant | None]],
    ) -> tuple[str, str]:
        """Copy notebooks with other names to the expected ones, where it's certain which one is meant.

        ``draws`` has each notebook's variants by student. Returns two sentences for the teacher: on extra files with other answers, and on notebooks that are missing.
        """
        extra = missing = ""
        for name, ours in books.items():
            expected = folder / f"{name}.ipynb"
            if not ours or {file.name for file in folder.glob("*.ipynb")} == {expected.name}:
                continue
            found = intake.examine(folder, name, ours, draws[name][student])
            if found.chosen:
                intake.rescue(found, expected)
                remark = one_line(found.remarks[-1])
                self.emit("rescued", f"{student}: {remark}", lesson=lesson, student=student, remark=remark)
            elif found.problem and expected.exists():
                extra = extra or found.problem
            else:
                missing = missing or found.problem
        return extra, missing or misnamed(books, folder)

    def _is_done(self, lesson: str, student: str, before: str | None, key: str) -> bool:
        """Return True if the gradebook has this submission with a verdict of the judge, or a later decision of a person."""
        if not self.course.is_written(lesson, student):
            return False
        return before == key or (before == UNDECIDED + key and not self.course.needs_a_person(lesson, student))

    async def _work(self, lesson: str, todo: list[Submission], jobs: list[Job]) -> None:
        by_file = {str(file): submission for submission in todo for file in submission.keys}
        waiting = {
            submission.student: {job.file for job in jobs if by_file[job.file] is submission} for submission in todo
        }
        self.progress = progress = Progress(len(todo))
        writing = GradebookWriter(self, lesson)
        for submission in todo:
            if not waiting[submission.student]:
                writing.put(submission)

        def done(job: Job, result: dict[str, Any]) -> None:
            submission = by_file[job.file]
            if all(is_final(item) for item in result["items"]):  # an ERROR may be decided in another run
                self.store.keep(submission.keys[Path(job.file)], result)
            submission.results[Path(job.file).name] = result
            waiting[submission.student].discard(job.file)
            if not waiting[submission.student]:
                writing.put(submission)
            writing.check()

        try:
            if jobs:
                await self._pool().run(jobs, done)
        finally:
            await asyncio.to_thread(writing.end)
            progress.end()
        writing.check()

    def _pool(self) -> LocalPool | ClusterPool:
        if self.cluster:
            from autograder.classroom.dask_pool import ClusterPool

            return ClusterPool(self.cluster, self.course.isolation, self.room / "logs" / "workers.log")
        # the level in the cache keys: a worker never falls back to a lower one
        return LocalPool(self.workers, self.level, self.room / "logs" / "workers.log", probed=True)

    def needs_a_person(self, lesson: str, student: str, why: str) -> None:
        """Print that a person must look at a submission, and record it for the summary."""
        why = self.people[lesson, student] = one_line(why)
        line = f"needs a person: {student}: {why}"
        if self.as_json:
            self.emit("needs a person", "", lesson=lesson, student=student, why=why)
        elif self.progress:
            self.progress.say(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def log(self, submission: Submission, said: str) -> None:
        """Write the log of one submission."""
        file = self.room / "logs" / submission.lesson / f"{submission.student}.log"
        file.parent.mkdir(exist_ok=True)
        file.write_text(printable(said, "\n") + "\n", encoding="utf-8", errors="backslashreplace")

    def _end(self) -> int:
        if not self.handed_in:
            said = (
                "Nothing is graded: nothing was handed in. What students hand in is expected in " + self.course.inbox()
            )
            self.emit("end", said, exit_code=BAD_INPUT, said=said)
            return BAD_INPUT
        waiting = {
            (lesson, student): cells
            for lesson in self.lessons
            for student, cells in self.course.waiting(lesson).items()
            if (lesson, student) not in self.people
        }
        code = NEED_A_PERSON if self.people or waiting else ALL_GRADED
        if self.as_json:
            people = [{"lesson": one, "student": who, "why": why} for (one, who), why in sorted(self.people.items())]
            manual = [{"lesson": one, "student": who, "cells": ids} for (one, who), ids in sorted(waiting.items())]
            self.emit("end", "", exit_code=code, needs_a_person=people, waits_for_manual_grading=manual)
            return code
        if self.people:
            print(f"{len(self.people)} need a person:")
            for (lesson, student), why in sorted(self.people.items()):
                print(f"  {student}, {lesson}: {why}")
        if waiting:
            print(f"{len(waiting)} wait for manual grading in formgrader:")
            for (lesson, student), cells in sorted(waiting.items()):
                print(f"  {student}, {lesson}: {', '.join(cells)}")
        print("All are graded." if not self.people and not waiting else f"The log of each is in {self.room / 'logs'}.")
        return code


class Submission:
    """A student's submission for a lesson.

    ``keys`` are the cache keys of its files, and ``results`` the results by file name. ``missing`` and ``extra`` are
    sentences on notebooks, the latter on those that a person must look at. ``answers`` is the hash of the answers alone,
    ``files`` that of the files.
    """

    def __init__(
        self, lesson: str, student: str, key: str, keys_of_files: dict[Path, str], missing: str = "", extra: str = ""
    ) -> None:
        self.lesson = lesson
        self.student = student
        self.key = key
        self.keys = keys_of_files
        self.results: dict[str, dict[str, Any]] = {}
        self.missing = missing
        self.extra = extra
        self.answers = self.files = ""


def misnamed(names: Iterable[str], folder: Path) -> str:
    """Return a sentence on a notebook that doesn't exist under its expected name; "" if all do."""
    missing = sorted(name for name in names if not (folder / f"{name}.ipynb").is_file())
    if not missing:
        return ""
    there = ", ".join(sorted(file.name for file in folder.iterdir() if file.name != "timestamp.txt")) or "nothing"
    return f"there is no {missing[0]}.ipynb, but {there}. Give the file this name and run this again"
