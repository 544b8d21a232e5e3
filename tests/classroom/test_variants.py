"""A variant of a private exercise for each student: drawn from a seed, handed out as files, judged as the student's own."""

import hmac
import json
import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from class_folder import scores
from helpers import nbgrader

from autograder import paths
from autograder.classroom import (
    cache_keys,
    class_variants,
    draw,
    grade,
    grade_class,
    intake,
    lessons,
    new_course,
    similarity,
)
from autograder.classroom.nbgrader.gradebook import Course
from autograder.classroom.notebook_sources import exercise_notebook
from autograder.judge.catalogue.catalogue import catalogue, judge
from autograder.judge.spec import variants
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import load, public_text

OWN = Path(__file__).parent / "own_exercises"
LESSON = "16_rates"
NAME = f"exercise_{LESSON}"
EXERCISE = load(OWN / LESSON)
STUDENTS = ["ada", "bob", "cid", "dan", "eve"]
SEED = "five students get three variants"


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the private folder, which this process forgets in the end."""
    monkeypatch.setenv(paths.OWN_EXERCISES, "")
    monkeypatch.setenv("NBGRADER_EXECUTION", "")
    shutil.copytree(OWN, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder with the exercise and five students, to whom variants were handed out; next to it, ``own``."""
    place = tmp_path_factory.mktemp("variants")
    shutil.copytree(OWN, place / "own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.OWN_EXERCISES, "")
        assert new_course.main(str(place / "course"), [LESSON], (), str(place / "own")) == 0
        nbgrader(place / "course", "generate_assignment", LESSON)
        (place / "course" / "students.csv").write_text("id\n" + "\n".join(STUDENTS) + "\n")
        nbgrader(place / "course", "db", "student", "import", "students.csv")
        assert class_variants.main(str(place / "course"), LESSON, SEED) == 0
    return place / "course"


@pytest.fixture
def course(made: Path, own: Path, tmp_path: Path) -> Path:
    """A copy of it, whose settings are loaded."""
    folder = tmp_path / "course"
    subprocess.run(["cp", "-r", str(made), str(folder)], check=True)
    config = folder / "nbgrader_config.py"
    config.write_text(config.read_text().replace(str(made.parent / "own"), str(own)))
    Course(folder)
    return folder


def hand_in(course: Path, student: str, of: str, kind: str = "reference", notebook_of: str = "") -> Path:
    """Hand in a ``student``'s notebook with an answer to the variant ``of`` a student, or the ``notebook_of`` a student."""
    notebook = nbformat.read(course / "handout" / LESSON / (notebook_of or student) / f"{NAME}.ipynb", 4)
    exercise = load(OWN / LESSON, draw.of_student(course, LESSON, of))
    for cell in notebook.cells:
        for task in exercise.tasks:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == task.cell:
                cell.source = f"%%app {task.file}\n{exercise.answer_text(task, kind)}"
    file = course / "submitted" / student / LESSON / f"{NAME}.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    return file


def test_draw_depends_on_all() -> None:
    """The same seed, exercise and student give the same variant; a class gets all of them, by HMAC-SHA256."""
    first = [draw.variant(SEED, EXERCISE, f"s{number}") for number in range(300)]
    assert first == [draw.variant(SEED, EXERCISE, f"s{number}") for number in range(300)]
    assert {variants.tag(variant) for variant in first} == {variants.tag(one) for one in EXERCISE.variants}
    assert first != [draw.variant(SEED + "x", EXERCISE, f"s{number}") for number in range(300)]
    digest = hmac.new(SEED.encode(), json.dumps([LESSON, "s7"]).encode(), "sha256").digest()
    assert first[7] == EXERCISE.variants[int.from_bytes(digest, "big") % 24]
    assert draw.variant("", EXERCISE, "ada") is None, "without a seed, everyone has the first one"


def test_seed_is_kept(tmp_path: Path) -> None:
    """It's random unless one is given, only its owner can read it, and another one is refused."""
    seed = draw.keep_seed(tmp_path)
    assert len(seed) >= 32 and draw.keep_seed(tmp_path) == draw.seed_of(tmp_path) == seed
    assert os.name == "nt" or (tmp_path / draw.SEED).stat().st_mode & 0o077 == 0
    with pytest.raises(ExerciseError, match="another seed"):
        draw.keep_seed(tmp_path, "7")


def test_nothing_private_is_handed_out(made: Path) -> None:
    """No reference, hidden test, catalogue or other variant is in what students get; and the teacher's files aren't theirs."""
    source = (made / "source" / LESSON / f"{NAME}.ipynb").read_text()
    assert "secret reference" in source and "HIDDEN TESTS" in source
    released = [file for file in [*(made / "release").rglob("*"), *(made / "handout").rglob("*")] if file.is_file()]
    assert len(released) == 1 + 3 * len(STUDENTS), "a note, and a notebook, an exercise file and an archive for each"
    for file in [*released, made / "source" / LESSON / "exercise.toml"]:
        text = file.read_text(errors="replace")
        for secret in (
            "secret reference",
            "HIDDEN",
            "exercise.concurrency",
            "asyncio_lock",
            "accepted",
            "[variants",
            "<<",
            SEED,
        ):
            assert secret not in text, (file, secret)
    tags = set()
    for student, variant in Course(made).variants(LESSON, STUDENTS).items():
        text = (made / "handout" / LESSON / student / f"{NAME}.ipynb").read_text()
        assert [path for path in ("quotes", "offers", "prices") if path in text] == [variant["path"]]
        assert json.loads(text)["metadata"]["course"]["variant"] == variants.tag(variant)
        tags.add(variants.tag(variant))
    assert len(tags) > 1 and not (made / "release" / LESSON / f"{NAME}.ipynb").exists()


@pytest.mark.parametrize(
    "old, new",
    [
        ("[endpoint.accepted]\ndef_endpoint", "accepted.def_endpoint"),
        ("[endpoint.wrong]\n", "[ endpoint.wrong ]\n"),
        ("order = [[", "order = [\n["),
    ],
)
def test_catalogue_can_not_leak(own: Path, old: str, new: str) -> None:
    """Where TOML can be written otherwise, the copy for learners would have the catalogue: it's refused."""
    toml = own / LESSON / "exercise.toml"
    text = toml.read_text().replace(old, new)
    toml.write_text(text)
    load(own / LESSON)
    with pytest.raises(ExerciseError, match="learners would get"):
        public_text(own / LESSON)


def test_handout_is_the_same_again(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a student who comes later, the command is run again: nothing changes for the others, and the list agrees."""
    files = {file: file.read_bytes() for file in (course / "handout").rglob("*") if file.is_file()}
    nbgrader(course, "db", "student", "add", "zoe")
    assert class_variants.main(str(course), LESSON) == 0
    assert all(file.read_bytes() == data for file, data in files.items())
    assert (course / "handout" / LESSON / "zoe.zip").is_file()
    assert class_variants.main(str(course), LESSON, "another seed") == class_variants.BAD_INPUT
    capsys.readouterr()
    assert class_variants.main(str(course), LESSON, only_list=True) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 6 and listed[0] == f"ada: {variants.label(draw.of_student(course, LESSON, 'ada'))}"


def test_sections_follow_the_order(own: Path) -> None:
    """Endpoints change places with their headings and texts; what's above and below them stays."""
    texts = []
    for order in (["rate", "stock"], ["stock", "rate"]):
        variant = next(one for one in EXERCISE.variants if one["order"] == order)
        cells = exercise_notebook(own / LESSON, variant).cells
        texts.append([cell.source for cell in cells])
        assert [c.metadata.nbgrader.grade_id for c in cells if c.metadata.get("nbgrader", {}).get("solution")] == order
    (first, second) = texts
    assert first[:2] == second[:2] and first[-2:] == second[-2:]
    assert first[2:6] == second[6:10] and first[6:10] == second[2:6] and first[2].startswith("## The rate")


@pytest.mark.parametrize(
    "file, old, new, message",
    [
        ("exercise.toml", "factor = [2, 3]", f"factor = {[*range(50)]}", "makes 600 variants"),
        ("exercise.toml", '["stock", "rate"]]', '["stock"]]', "must list the ids"),
        ("exercise.toml", "<<path>>", "<<place>>", "<<place>> stands for nothing"),
        ("exercise.toml", 'id = "stock"', 'id = "<<key>>s"', "must list the ids"),
        ("exercise.toml", "points = { answers = 1, concurrency = 2 }", 'points = { answers = 1, concurrency = "<<factor>>" }', "the same in all"),
        ("exercise.py", 'await exercise.answers("rate")', '"""The <<key>>."""\nawait exercise.answers("rate")', "a graded cell"),
        ("answers/rate/starter.py", "<<factor>>", "<<factors>>", "<<factors>> stands for nothing"),
    ],
)  # fmt: skip
def test_impossible_variants_are_refused(own: Path, file: str, old: str, new: str, message: str) -> None:
    """Too many, an order that isn't one, unknown names, and differences in what the gradebook has once for all."""
    path = own / LESSON / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ExerciseError, match=message):
        lessons.check_unique([own / LESSON])
        exercise_notebook(own / LESSON)


@pytest.mark.heavy
@pytest.mark.parametrize("number", [0, 7, 23])
async def test_each_variant_holds(number: int, grading_sandbox) -> None:
    """A variant's reference passes, and its starter gets the diagnosis of the catalogue."""
    answers = [
        a for a in catalogue(load(OWN / LESSON, EXERCISE.variants[number])) if a.kind in ("starter", "reference")
    ]
    assert len(answers) == 4 and "<<" not in "".join(answer.text for answer in answers)
    for answer in answers:
        assert not (await judge(answer, sandbox=grading_sandbox)).complaint, answer.label


def differing(course: Path) -> str:
    """The first student whose endpoint ``rate`` isn't that of ada."""
    asked = {
        student: (endpoint.request, endpoint.answer)
        for student in STUDENTS
        for endpoint in [load(OWN / LESSON, draw.of_student(course, LESSON, student)).endpoint("rate")]
    }
    return next(student for student in STUDENTS if asked[student] != asked["ada"])


async def test_work_of_another_is_named(course: Path, grading_sandbox) -> None:
    """Another's whole notebook, and another's answers in one's own, need a person; one's own have their points."""
    other = differing(course)
    own = draw.of_student(course, LESSON, "ada")

    async def graded(file: Path) -> tuple[float, dict[str, str], str]:
        result = await grade.grade(file, grading_sandbox, LESSON, own)
        shutil.rmtree(file.parent)
        return result.points, {item.id: item.outcome for item in result.items}, result.items[0].diagnosis

    points, outcomes, _ = await graded(hand_in(course, "ada", "ada"))
    assert points == 6 and set(outcomes.values()) == {"pass"}
    points, outcomes, why = await graded(hand_in(course, "ada", other, notebook_of=other))
    assert points == 0 and set(outcomes.values()) == {"error"} and "variant of another student" in why
    points, outcomes, why = await graded(hand_in(course, "ada", other))
    assert (outcomes["rate_answers"], outcomes["rate_concurrency"]) == ("error", "error"), why
    assert (outcomes["stock_answers"], outcomes["stock_concurrency"], points) == ("pass", "pass", 3)
    file = hand_in(course, "ada", other)
    file.write_text(file.read_text().replace(f'\\"{draw.of_student(course, LESSON, other)["key"]}\\"', '\\"fees\\"'))
    points, outcomes, why = await graded(file)
    assert (outcomes["rate_answers"], points) == ("fail", 3), "it's right for no variant"


async def test_notebook_says_its_variant(course: Path, grading_sandbox) -> None:
    """``./course grade``, which doesn't know the student, judges a notebook as what it is."""
    other = differing(course)
    result = await grade.grade(hand_in(course, "ada", other, notebook_of=other), grading_sandbox)
    assert (result.lesson, result.points) == (LESSON, 6)


@pytest.mark.heavy
def test_class_is_graded(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole class, and stock nbgrader after it: each student by the own variant, and a person for the work of another."""
    other = differing(course)
    hand_in(course, "ada", "ada")
    hand_in(course, other, other, "starter")
    hand_in(course, "zoe", "ada", notebook_of="ada")  # enrolled later, and drawn all the same
    is_same = draw.of_student(course, LESSON, "zoe") == draw.of_student(course, LESSON, "ada")
    assert not is_same, "choose another name"
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    assert "zoe, 16_rates: Not graded: this is the variant of another student" in capsys.readouterr().out
    assert scores(course, LESSON) == {"ada": 6, other: 2, "zoe": 0}
    assert Course(course).needs_a_person(LESSON, "zoe") and not Course(course).needs_a_person(LESSON, other)
    nbgrader(course, "autograde", LESSON, "--force")
    assert scores(course, LESSON) == {"ada": 6, other: 2, "zoe": 0}
    assert Course(course).needs_a_person(LESSON, "zoe")


def test_verdict_key_has_the_variant(course: Path) -> None:
    """The same text isn't worth the same for two students, nor in two notebooks."""
    file = hand_in(course, "ada", "ada")
    other = draw.of_student(course, LESSON, differing(course))
    keys = {
        cache_keys.of_submission(file, LESSON, "none", variant)
        for variant in (draw.of_student(course, LESSON, "ada"), other)
    }
    shutil.rmtree(file.parent)
    keys.add(
        cache_keys.of_submission(hand_in(course, "ada", "ada", notebook_of=differing(course)), LESSON, "none", other)
    )
    assert len(keys) == 3


def test_own_starter_is_untouched(course: Path) -> None:
    """What a student was given counts as untouched, so a finished copy next to it is the one to grade."""
    own = draw.of_student(course, LESSON, "ada")
    file = hand_in(course, "ada", "ada", "starter")
    assert not intake.describe(file, load(OWN / LESSON, own)).done
    finished = hand_in(course, "bob", "ada", "reference", "ada")
    shutil.copy(finished, file.with_name("copy.ipynb"))
    assert intake.examine(file.parent, NAME, LESSON, own).chosen == file.with_name("copy.ipynb")


def test_own_starter_is_subtracted(course: Path) -> None:
    """In the similarity report, the lines of a student's own starter don't count, and there are no public answers."""
    twin = draw.of_student(course, LESSON, "ada")
    others = [student for student in STUDENTS if draw.of_student(course, LESSON, student) != twin]
    more = "\n\ndef more(values):\n    return sorted(value * 2 for value in values if value not in (1, 2, 3))\n"
    for student in ("ada", others[0]):
        file = hand_in(course, student, student, "starter")
        file.write_text(
            file.read_text()
            .replace('\\"times\\": 2}', '\\"times\\": 2}' + json.dumps(more)[1:-1])
            .replace('\\"times\\": 3}', '\\"times\\": 3}' + json.dumps(more)[1:-1])
        )
    (pair,) = similarity.compare(Course(course), LESSON, 0.01)
    assert (pair.structure, pair.text, pair.public) == (1.0, 1.0, "")
    assert "public" not in similarity.as_text([pair])


def test_course_is_extended(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """A private folder is added to a course that exists, once, and later commands find its exercises."""
    course = tmp_path / "course"
    assert new_course.main(str(course), ["05"]) == 0
    assert new_course.main(str(course), [LESSON]) == 2 and "no exercise" in capsys.readouterr().out
    assert new_course.main(str(course), [LESSON], (), str(own)) == 0
    monkeypatch.setenv(paths.OWN_EXERCISES, "")
    shutil.rmtree(course / "source" / LESSON)
    assert new_course.main(str(course), [LESSON], (), str(own)) == 0
    assert (course / "nbgrader_config.py").read_text().count("use_exercises") == 1
    assert new_course.main(str(course), ["01"], (), str(tmp_path / "nothing")) == 2
    shutil.copytree(paths.SOLUTIONS / "01_sleeping", own / "01_sleeping")
    assert new_course.main(str(course), ["01"]) == 2 and "the same name" in capsys.readouterr().out
