"""A teacher's own exercises: copied, released, and judged by their own rules and never by the original's."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from helpers import nbgrader

from autograder import paths
from autograder.classroom import add_exercise, build, grade, lessons, new_course
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import load

ORIGIN, NAME = "05_files", "16_letters"


@pytest.fixture
def solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``solutions/`` with two exercises, which takes the place of the clone's."""
    folder = tmp_path / "solutions"
    for name in ("01_sleeping", ORIGIN):
        shutil.copytree(paths.SOLUTIONS / name, folder / name)
    monkeypatch.setattr(paths, "SOLUTIONS", folder)
    lessons.items_of.cache_clear()
    yield folder
    lessons.items_of.cache_clear()


def test_plain_copy_is_refused(solutions: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A folder copied by hand has its original's endpoint ids: ``build`` and ``class new`` say so."""
    shutil.copytree(solutions / ORIGIN, solutions / NAME)
    with pytest.raises(ExerciseError, match="must be the name of its folder"):
        build.build(tmp_path / "scratch")
    toml = solutions / NAME / "exercise.toml"
    toml.write_text(toml.read_text().replace(f'lesson = "{ORIGIN}"', f'lesson = "{NAME}"'))
    with pytest.raises(ExerciseError, match="have the same endpoint ids"):
        build.build(tmp_path / "scratch")
    assert new_course.main(str(tmp_path / "course")) == 2
    assert f"class add-exercise {ORIGIN}" in capsys.readouterr().out
    assert not (tmp_path / "course").exists()


def test_repeated_id_is_refused(solutions: Path) -> None:
    """Two endpoints of one exercise with one id would share their points."""
    toml = solutions / "01_sleeping" / "exercise.toml"
    toml.write_text(toml.read_text().replace('id = "price"', 'id = "report"'))
    with pytest.raises(ExerciseError, match="'report' twice"):
        lessons.check_unique([solutions / "01_sleeping"])


@pytest.mark.parametrize("origin", [folder.name for folder in paths.exercises() if not load(folder).written])
def test_every_exercise_can_be_copied(origin: str, tmp_path: Path) -> None:
    """Each reference to an id is renamed: in the exercise file, the notebook's cells and the catalogue's folders."""
    ids = add_exercise.copy(paths.SOLUTIONS / origin, tmp_path / NAME)
    copied = load(tmp_path / NAME)
    assert copied.lesson == NAME and not {task.id for task in copied.tasks} & set(ids)
    text = json.dumps(build.notebook_sources.exercise_notebook(tmp_path / NAME))
    for old in ids:
        assert f'exercise.race(\\"{old}\\")' not in text
    for endpoint in copied.endpoints:
        assert copied.answer_file(endpoint, "reference").is_file()


@pytest.mark.parametrize("arguments", [("77_else", NAME), (ORIGIN, "letters"), (ORIGIN, "01_sleeping")])
def test_impossible_copy_changes_nothing(
    solutions: Path, capsys: pytest.CaptureFixture, arguments: tuple[str, str]
) -> None:
    """An original that doesn't exist, a name without a number, and a name that is taken."""
    before = sorted(solutions.rglob("*"))
    assert add_exercise.main(*arguments) == 2
    assert "can't be copied" in capsys.readouterr().out
    assert sorted(solutions.rglob("*")) == before


@pytest.mark.heavy
def test_copy_follows_its_own_rules(solutions: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The copy expects another key in responses: the original's reference fails its check, and its own passes."""
    assert add_exercise.main(ORIGIN, NAME) == 0
    assert "letters_document" in capsys.readouterr().out
    toml = solutions / NAME / "exercise.toml"
    toml.write_text(toml.read_text().replace('document = "{token}"', 'letter = "{token}"'))
    answers = solutions / NAME / "answers" / "letters_document"
    reference = (answers / "reference.py").read_text()
    assert '"document": token' in reference
    notebook = build.notebook_sources.exercise_notebook(solutions / NAME)
    for text, points in ((reference, 0), (reference.replace('"document": token', '"letter": token'), 3)):
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source = f"%%app document.py\n{text}"
        nbformat.write(notebook, tmp_path / "exercise.ipynb")
        grade.main([str(tmp_path / "exercise.ipynb")], as_json=True)
        (result,) = json.loads(capsys.readouterr().out)["submissions"]
        assert (result["lesson"], result["points"]) == (NAME, points), result["items"]


def test_metadata_decides_among_equal_ids(solutions: Path, tmp_path: Path) -> None:
    """A teacher may release an exercise as "week3", also one that has the same ids as another."""
    shutil.copytree(solutions / ORIGIN, solutions / NAME)
    toml = solutions / NAME / "exercise.toml"
    toml.write_text(toml.read_text().replace(f'lesson = "{ORIGIN}"', f'lesson = "{NAME}"'))
    for name in (ORIGIN, NAME):
        build.write_source(solutions / name, tmp_path / name)
        folder = (tmp_path / name / name).rename(tmp_path / name / "week3")
        (folder / f"exercise_{name}.ipynb").rename(folder / "letters.ipynb")
        assert lessons.lesson_of(lessons.items_of(ORIGIN), "week3", "letters", folder) == name


def test_changed_rules_are_refused(tmp_path: Path) -> None:
    """A copy in ``source/`` whose exercise.toml was edited isn't judged by its original's rules."""
    build.write_source(paths.SOLUTIONS / ORIGIN, tmp_path)
    (tmp_path / ORIGIN).rename(tmp_path / NAME)
    toml = tmp_path / NAME / "exercise.toml"
    text = toml.read_text()
    ids = lessons.items_of(ORIGIN)
    toml.write_text(text.replace('title = "Files"', 'title = "Letters"'))
    assert lessons.lesson_of(ids, NAME, f"exercise_{ORIGIN}", tmp_path / NAME) == ORIGIN
    toml.write_text(text.replace('document = "{token}"', 'letter = "{token}"'))
    with pytest.raises(lessons.LessonMismatch, match="add-exercise 05_files"):
        lessons.lesson_of(ids, NAME, f"exercise_{ORIGIN}", tmp_path / NAME)


def test_unknown_lesson_is_refused(tmp_path: Path) -> None:
    """A notebook whose metadata names an exercise that isn't there is judged by no other's rules."""
    build.write_source(paths.SOLUTIONS / ORIGIN, tmp_path)
    file = tmp_path / ORIGIN / f"exercise_{ORIGIN}.ipynb"
    notebook = nbformat.read(file, 4)
    notebook.metadata.course.lesson = NAME
    nbformat.write(notebook, file)
    with pytest.raises(lessons.LessonMismatch, match="doesn't have"):
        lessons.lesson_of(lessons.items_of(ORIGIN), ORIGIN, file.stem, tmp_path / ORIGIN)


@pytest.mark.heavy
def test_lessons_and_points_are_chosen(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """``class new --lessons 01-02 --points 01=10``, then one more lesson for the folder that exists."""
    course = tmp_path / "course"
    assert new_course.main(str(course), ["01-02"], ["01=10"]) == 0
    assert [folder.name for folder in sorted((course / "source").iterdir())] == ["01_sleeping", "02_calling_http"]
    nbgrader(course, "generate_assignment", "01_sleeping")
    with lessons_gradebook(course) as book:
        assert book.find_assignment("01_sleeping").max_score == pytest.approx(10)
    assert new_course.main(str(course), ["05"]) == 0
    assert (course / "source" / "05_files").is_dir()
    assert new_course.main(str(course), ["01-02"]) == 2
    assert new_course.main(str(tmp_path / "other"), ["77"]) == 2
    assert new_course.main(str(tmp_path / "other"), ["01"], ["01=many"]) == 2
    out = capsys.readouterr().out
    assert "exists already" in out and "no exercise '77'" in out and "LESSON=N" in out


def lessons_gradebook(course: Path):
    """nbgrader's gradebook of a course folder."""
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{course}/gradebook.db")
