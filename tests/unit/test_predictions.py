"""A prediction stays what the learner wrote, and stands beside the measurement in words and in the picture."""

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


def test_a_prediction_and_the_measurement_stand_side_by_side(capsys):
    lab.predict("ten cups", 2, "s").beside(0.5)
    kept, what, said, measured = capsys.readouterr().out.splitlines()
    assert kept == "ten cups: you predict 2 s."
    assert what == "ten cups:" and said.startswith("  you said  2 s ") and measured.startswith("  measured  0.5 s ")
    assert said.count("▇") == 4 * measured.count("▇")


def test_who_predicts_nothing_gets_the_measurement(capsys):
    guess = lab.predict("ten cups", None, "s")
    guess.beside(0.5)
    first, _, said, measured = capsys.readouterr().out.splitlines()
    assert "in the place of None" in first
    assert said == "  you said  no guess" and measured == "  measured  0.5 s"


def test_a_word_is_a_prediction_too(capsys):
    lab.predict("Ann gets", "a letter").beside("no letter")
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
def test_two_predictions_are_the_ends_of_a_range(capsys, least, most, says):
    lab.predict("the menu, at least", least, "s").beside(0.32, lab.predict("the menu, at most", most, "s"))
    assert capsys.readouterr().out.splitlines()[2:] == [f"the menu: {says}"]


@pytest.mark.parametrize("written", ["two", "two s", "2 cups", "2 3", float("nan"), True], ids=repr)
def test_where_a_number_is_wanted_a_word_is_not_taken(capsys, written):
    assert lab.predict("ten cups", written, "s").value is None
    assert "is no number. Write a number alone" in capsys.readouterr().out


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
def test_what_learners_write_is_taken_as_it_is_meant(written, value):
    assert lab.predict("ten cups", written, "s").value == value


def test_zero_and_zero_can_be_compared(capsys):
    lab.predict("errors", 0).beside(0)
    assert "measured  0" in capsys.readouterr().out


@pytest.mark.parametrize(("written", "unit", "lines"), [(2, "s", 1), (None, "s", 0), (2, "cups", 0), ("two", "s", 0)])
def test_only_a_time_is_drawn_on_the_timeline(written, unit, lines):
    race = finished(prediction=lab.predict("ten cups", written, unit))
    for now in (None, 0.3):
        axes = timeline.draw(race, now).axes[0]
        drawn = [line for line in axes.lines if line.get_gid() == "prediction"]
        assert len(drawn) == lines
        assert [text.get_text() for text in axes.texts].count("your prediction") == lines
    if lines:
        assert list(drawn[0].get_xdata()) == [2, 2] and timeline.draw(race).axes[0].get_xlim()[1] > 2
        assert "You predicted 2 s." in race.sentence


def test_two_races_side_by_side_are_drawn_to_one_measure():
    left, right = timeline.compare(finished(prediction=lab.predict("ten cups", 2, "s")), finished()).axes
    assert left.get_ylim() == right.get_ylim() and left.get_xlim() == right.get_xlim()


def test_a_wild_prediction_does_not_squeeze_the_race():
    race = finished(prediction=lab.predict("ten cups", 1_000_000, "s"))
    axes = timeline.draw(race).axes[0]
    assert axes.get_xlim()[1] < 10
    assert any("1000000 s" in text.get_text() for text in axes.texts), "it is said, where it cannot be drawn"


def test_what_was_written_stays_in_the_notebook(tmp_path):
    """No widget, no browser: the cell is the form, and its output is printed text."""
    notebook = notebook_of("from autograder import lab", "guess = lab.predict('ten cups', 2, 's')", "guess.beside(0.5)")
    notebook, _ = run_notebook(notebook, tmp_path)
    assert "'ten cups', 2, 's'" in notebook.cells[1].source
    assert [output.output_type for cell in notebook.cells for output in cell.outputs] == ["stream", "stream"]
    assert "2 s" in printed(notebook.cells[2]) and "0.5 s" in printed(notebook.cells[2])
