"""Writes feedback pages with nbgrader's own converter, one student at a time."""

from __future__ import annotations

import glob
import logging

from nbconvert.writers import FilesWriter
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import getgrades
from traitlets.config import Config

from autograder.classroom.nbgrader.gradebook import Course, keep_gradebook_open, one_engine


class PageWriter(GenerateFeedback):
    """nbgrader's generate_feedback for one student at a time: the exporter and its templates are made once."""

    @classmethod
    def of(cls, course: Course, lesson: str) -> PageWriter:
        """Return the writer of a lesson's pages. It changes nbgrader for this process: the gradebook stays open."""
        keep_gradebook_open(getgrades)
        config = Config(course.config)
        config.CourseDirectory.assignment_id = lesson
        config.GenerateFeedback.force = True
        writer = cls(coursedir=CourseDirectory(config=config), config=config)
        writer.log = logging.getLogger("autograder.nbgrader")
        writer.log.propagate = False  # what it says of each page is noise; an error is raised
        writer.log.addHandler(logging.NullHandler())
        writer.writer = FilesWriter(parent=writer, config=writer.config)
        writer.exporter = writer.exporter_class(parent=writer, config=writer.config)
        for step in writer.preprocessors:
            writer.exporter.register_preprocessor(step)
        return writer

    def write(self, student: str) -> None:
        """Write the pages of one student again. Raises `NbGraderException` if nbgrader can't."""
        self.coursedir.student_id = glob.escape(student)
        try:
            self.init_notebooks()
            self.convert_notebooks()
        finally:
            one_engine(self.coursedir.db_url).dispose()  # the gradebook's file may be replaced from a copy


__all__ = ["PageWriter"]
