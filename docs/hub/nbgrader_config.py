"""nbgrader's settings for all users of a hub. Copy it to /etc/jupyter, and put your own values into the first lines."""

import os
from pathlib import Path

c = get_config()  # noqa: F821, nbgrader provides it

EXCHANGE = "/srv/nbgrader/exchange"  # a folder that all can write to
COURSE_ID = "async101"
INSTRUCTORS = {"teacher"}

c.Exchange.root = EXCHANGE
c.CourseDirectory.course_id = COURSE_ID

user = os.environ.get("JUPYTERHUB_USER")
if user in INSTRUCTORS:
    # What formgrader needs: where the course is, and who judges. `course class new ~/async101` makes the folder.
    from autograder.classroom.nbgrader import config

    config.apply(c)
    c.CourseDirectory.root = str(Path.home() / COURSE_ID)
elif user:
    # In containers all users may have one and the same account: the hub knows better who hands in.
    c.CourseDirectory.student_id = user
