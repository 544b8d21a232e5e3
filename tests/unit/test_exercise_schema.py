"""The JSON Schema of exercise.toml: up to date, fits every exercise, and marks the mistakes that the loader refuses."""

import tomllib

import pytest
from jsonschema import Draft202012Validator
from test_exercise_file import GOOD

from autograder import paths
from autograder.judge.spec.exercise import public_text
from autograder.judge.spec.schema import FILE, as_text, schema
from autograder.judge.spec.tables import AppTable, DiagnosisTable, EndpointTable, ExerciseTables, WrittenTable, read

EXERCISES = sorted(paths.SOLUTIONS.glob("*/exercise.toml"))


def errors(text: str) -> list[str]:
    """Return what the schema says against an exercise.toml."""
    return [error.message for error in Draft202012Validator(schema()).iter_errors(tomllib.loads(text))]


def test_schema_file_is_current():
    """After a change: ``python -m autograder.judge.spec.schema``."""
    Draft202012Validator.check_schema(schema())
    assert FILE.read_text(encoding="utf-8") == as_text()


@pytest.mark.parametrize("file", EXERCISES, ids=lambda file: file.parent.name)
def test_every_exercise_fits_the_schema(file):
    assert errors(file.read_text(encoding="utf-8")) == []
    assert errors(public_text(file.parent)) == [] or "[[written]]" in file.read_text()


@pytest.mark.parametrize("file", EXERCISES, ids=lambda file: file.parent.name)
def test_every_exercise_names_the_schema(file):
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#:schema ") and (file.parent / first.split()[1]).resolve() == FILE
    assert "#:schema" not in public_text(file.parent), "a learner's copy lies where there is no schema"


@pytest.mark.parametrize(
    "good, bad",
    [
        ('title = "Tea"\n', ""),
        ('file = "brew.py"', 'fiel = "brew.py"'),
        ("GET /brew", "/brew"),
        ("concurrency = 2", "speed = 2"),
        ('"one at a time"', '"slow"'),
        ('file = "brew.py"', 'file = "brew.py"\nbarrier = "nobody"'),
        ('file = "brew.py"', 'file = "brew.py"\nrequests = 1000'),
        ('file = "brew.py"', 'file = "brew.py"\nservice = "oracle"'),
        ('lesson = "01_tea"', 'lesson = "01_tea"\nauthor = "me"'),
        ('"one at a time"', '{ kind = "blocked", speaks = "x" }'),
        ('file = "brew.py"', 'file = "brew.py"\ncached = "yes"'),
        ("{ answers = 1, concurrency = 2 }", "{ answers = -1, concurrency = 2 }"),
    ],
)
def test_mistakes_are_marked(good, bad):
    assert errors(GOOD) == []
    assert errors(GOOD.replace(good, bad, 1))
    with pytest.raises(ValueError):
        read(tomllib.loads(GOOD.replace(good, bad, 1)))


def test_models_and_schema_agree():
    """The models and the JSON schema have the same keys."""
    made = schema()
    assert made["properties"].keys() == ExerciseTables.model_fields.keys()
    for model in (AppTable, EndpointTable, WrittenTable, DiagnosisTable):
        assert made["$defs"][model.__name__]["properties"].keys() == model.model_fields.keys()
        assert made["$defs"][model.__name__]["additionalProperties"] is False
