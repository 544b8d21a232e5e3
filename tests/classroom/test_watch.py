"""What arrives is graded and comes back: from a folder with the command itself, and through nbgrader's exchange."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from class_folder import FULL, LESSON, REFERENCE, STARTER, hand_in, scores, verdict
from helpers import until
from nbgrader.utils import notebook_hash

from autograder import paths
from autograder.benchmarks import class_grading
from autograder.classroom import grade_class, watch, worker_pool

NAME = f"exercise_{LESSON}"


@pytest.mark.heavy
def test_command_grades_what_arrives(course) -> None:
    """The command runs until it's stopped. A page appears for what is handed in, and changes with the next version."""
    page = course / "feedback" / "ada" / LESSON / f"{NAME}.html"

    def says(score: str) -> bool:
        return page.is_file() and f"Score: {score} / 6.0" in page.read_text()

    command = [sys.executable, str(paths.ROOT / "course"), "class", "watch", str(course), LESSON, "--interval", "1"]
    with (course / "watch.log").open("w") as log:
        process = subprocess.Popen(command, env=class_grading.environment(), stdout=log, stderr=log)
        try:
            until(lambda: "Watching" in (course / "watch.log").read_text(), 300)
            hand_in(course, "ada", STARTER)
            until(lambda: says("1.0"), 500)
            hand_in(course, "ada", REFERENCE)
            until(lambda: says("3.0"), 500)
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(300)
    assert code == 130 and scores(course) == {"ada": 3}


def test_vanishing_file_is_seen_later(course, monkeypatch) -> None:
    """A file that is replaced during a look doesn't end the command; the next look sees what has changed."""
    folder = hand_in(course, "ada", STARTER).parent
    settled = watch.state(folder)

    def gone(path: Path) -> object:
        raise FileNotFoundError(path)

    with monkeypatch.context() as during:
        during.setattr(Path, "lstat", gone)
        assert watch.state(folder) != settled
    assert watch.state(folder) == settled


@pytest.mark.heavy
def test_exchange_gets_feedback(course, canned, capsys, tmp_path) -> None:
    """A submission is collected, graded and released in one pass. A second answer exceeds the limit and changes no grade."""
    exchange = tmp_path / "exchange"
    inbox = exchange / "tea101" / "inbound"
    inbox.mkdir(parents=True)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.Exchange.root = {str(exchange)!r}\n")

    def submit(text: str, moment: str) -> None:
        """Put into the exchange what a student's ``nbgrader submit`` puts there."""
        file = hand_in(course, "ada", text, moment)
        file.with_name("submission_secret.txt").write_text(moment)
        file.parent.rename(inbox / f"ada+{LESSON}+{moment}+0a1b")

    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    first, second = "2026-11-20 10:00:00 UTC", "2026-11-20 11:00:00 UTC"
    submit(REFERENCE, first)
    assert watch.main(str(course), [LESSON], exchange=True, tries=1, once=True) == grade_class.ALL_GRADED
    released = exchange / "tea101" / "feedback" / f"{notebook_hash(secret=first, notebook_id=NAME)}.html"
    assert "Score: 6.0 / 6.0" in released.read_text()
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(0)}
    submit(STARTER, second)
    capsys.readouterr()
    assert watch.main(str(course), [LESSON], exchange=True, tries=1, once=True) == grade_class.ALL_GRADED
    assert "ada has used all tries" in capsys.readouterr().out
    assert len(canned.judged) == 1 and scores(course) == {"ada": FULL}


def test_missing_exchange_is_refused(course, capsys, monkeypatch, tmp_path) -> None:
    """A missing exchange is refused, and the exchange's root in the user's own settings is used."""
    settings = tmp_path / "jupyter"
    settings.mkdir()
    (settings / "nbgrader_config.py").write_text("c = get_config()\nc.Exchange.root = '/nowhere'\n")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(settings))
    assert watch.main(str(course), exchange=True, once=True) == grade_class.BAD_INPUT
    assert "/nowhere/tea101/inbound" in capsys.readouterr().err
