"""A prediction stays as the learner wrote it, and is shown next to the measurement in words and in the picture."""

import pytest
from helpers import notebook_of, printed, run_notebook

from autograder import lab
from autograder.lab import timeline
from autograder.lab.race import Race, Request
from autograder.programs.messages.races import RaceEnded, RaceStarted, RequestDone, RequestSent


def finished(**more):
    race = Race("/tea", "tea.py", [Request(0, "/tea")], **more)
    race.apply(RaceStarted(1, 0.0))
    race.apply(RequestSent(1, 0, 0.0))
    race.apply(RequestDone(1, 0, 0.5, 200, None, ""))
    race.apply(RaceEnded(1, 0.5, []))
    return race


def test_prediction_is_compared_with_measurement(capsys):
    """A prediction and the measurement are printed one above the other, to the same scale."""
    lab.predict("ten cups", 2, "s").compare(0.5)
    kept, what, said, measured = capsys.readouterr().out.splitlines()
    assert kept == "ten cups: you predict 2 s."
    assert what == "ten cups:" and said.startswith("  you said  2 s ") and measured.startswith("  measured  0.5 s ")
    assert said.count("▇") == 4 * measured.count("▇")


def test_missing_prediction_shows_measurement(capsys):
    """Without a prediction, the measurement is still shown."""
    guess = lab.predict("ten cups", None, "s")
    guess.compare(0.5)
    first, _, said, measured = capsys.readouterr().out.splitlines()
    assert "Replace None" in first
    assert said == "  you said  no guess" and measured == "  measured  0.5 s"


def test_word_can_be_a_prediction(capsys):
    """A word is a prediction too."""
    lab.predict("Ann gets", "a letter").compare("no letter")
    assert capsys.readouterr().out.splitlines()[2:] == ["  you said  a letter", "  measured  no letter"]


@pytest.mark.parametrize(
    ("least", "most", "says"),
    [
        (0, 0.9, "0.32 s lies between your 0 and 0.9."),
        (0, 0.1, "0.32 s is more than your 0.1."),
        (0.5, 0.9, "0.32 s is less than your 0.5."),
        (0.1, None, "0.32 s is not less than your 0.1."),
        (None, 0.9, "0.32 s is not more than your 0.9."),
        (None, None, "0.32 s. You made no guess."),
    ],
)
def test_two_predictions_form_a_range(capsys, least, most, says):
    """Two predictions are the ends of a range."""
    lab.predict("the menu, at least", least, "s").compare(0.32, lab.predict("the menu, at most", most, "s"))
    assert capsys.readouterr().out.splitlines()[2:] == [f"the menu: {says}"]


@pytest.mark.parametrize("written", ["two", "two s", "2 cups", "2 3", float("nan"), True], ids=repr)
def test_number_is_required_for_times(capsys, written):
    """Where a number is needed, a word isn't accepted, and the message says so."""
    assert lab.predict("ten cups", written, "s").value is None
    assert "isn't a number. Write only a number" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (2, 2.0),
        ("2.5", 2.5),
        ((2, 5), 2.5),
        (0, 0.0),
        (-1, -1.0),
        ("2 s", 2.0),
        ("2,5 s", 2.5),
        ("0.5 seconds", 0.5),
        ("200 ms", 0.2),
    ],
    ids=repr,
)
def test_written_numbers_are_understood(written, value):
    """Numbers are understood in the ways in which learners write them."""
    assert lab.predict("ten cups", written, "s").value == value


def test_zero_predictions_can_be_compared(capsys):
    """A prediction of zero can be compared with a measurement of zero."""
    lab.predict("errors", 0).compare(0)
    assert "measured  0" in capsys.readouterr().out


@pytest.mark.parametrize(("written", "unit", "lines"), [(2, "s", 1), (None, "s", 0), (2, "cups", 0), ("two", "s", 0)])
def test_only_times_are_drawn(written, unit, lines):
    """Only a prediction of a time is drawn on the timeline."""
    race = finished(prediction=lab.predict("ten cups", written, unit))
    for now in (None, 0.3):
        axes = timeline.draw(race, now).axes[0]
        drawn = [line for line in axes.lines if line.get_gid() == "prediction"]
        assert len(drawn) == lines
        assert [text.get_text() for text in axes.texts].count("your prediction") == lines
    if lines:
        assert list(drawn[0].get_xdata()) == [2, 2] and timeline.draw(race).axes[0].get_xlim()[1] > 2
        assert "You predicted 2 s." in race.sentence


def test_compared_races_share_a_scale():
    """Two races next to each other are drawn to the same scale."""
    left, right = timeline.compare(finished(prediction=lab.predict("ten cups", 2, "s")), finished()).axes
    assert left.get_ylim() == right.get_ylim() and left.get_xlim() == right.get_xlim()


def test_wild_prediction_keeps_the_scale():
    """A prediction far outside doesn't squeeze the race; it's written instead."""
    race = finished(prediction=lab.predict("ten cups", 1_000_000, "s"))
    axes = timeline.draw(race).axes[0]
    assert axes.get_xlim()[1] < 10
    assert any("1000000 s" in text.get_text() for text in axes.texts), "it is said, where it cannot be drawn"


def test_prediction_stays_in_the_notebook(tmp_path):
    """No widget, no browser: the cell is the form, and its output is printed text."""
    notebook = notebook_of(
        "from autograder import lab", "guess = lab.predict('ten cups', 2, 's')", "guess.compare(0.5)"
    )
    notebook, _ = run_notebook(notebook, tmp_path)
    assert "'ten cups', 2, 's'" in notebook.cells[1].source
    assert [output.output_type for cell in notebook.cells for output in cell.outputs] == ["stream", "stream"]
    assert "2 s" in printed(notebook.cells[2]) and "0.5 s" in printed(notebook.cells[2])
