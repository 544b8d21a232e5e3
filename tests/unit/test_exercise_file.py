"""exercise.toml: what it may contain, and the messages about mistakes in it."""

import pytest

from autograder import paths
from autograder.judge.catalogue.catalogue import catalogue
from autograder.judge.spec.endpoint import ExerciseError, ExpectedDiagnosis
from autograder.judge.spec.exercise import load, public_text
from autograder.judge.spec.file_sections import compose
from autograder.judge.verdict import DiagnosisKind

GOOD = """
lesson = "01_tea"
title = "Tea"

[[endpoint]]
id = "brew"
file = "brew.py"
title = "Brewing"
request = "GET /brew/{number}?wait={wait}"
answer = { cup = "{number}", text = "cup {number}", list = ["{token}", 1] }
points = { answers = 1, concurrency = 2 }

[endpoint.accepted]
plain = "as it should be"

[endpoint.wrong]
lock = "one at a time"
sleep = { kind = "blocked", says = "time.sleep" }
"""


def write(folder, text):
    (folder / "exercise.toml").write_text(text)
    return folder


def test_calls_are_fresh_and_consistent(tmp_path):
    """Each call has fresh values, and its expected response fits them."""
    endpoint = load(write(tmp_path, GOOD)).endpoint("brew")
    calls = [endpoint.call(0.25) for _ in range(20)]
    assert len({call.path for call in calls}) == 20
    for call in calls:
        number = int(call.path.split("/")[2].split("?")[0])
        assert call.path.endswith("?wait=0.25") and call.wait == 0.25 and call.method == "GET"
        assert call.expected["cup"] == number and call.expected["text"] == f"cup {number}"
        assert call.expected["list"][1] == 1 and len(call.expected["list"][0]) == 12


@pytest.mark.parametrize(
    "change, says",
    [
        (("[[endpoint]]", "[[endpoint"), "not valid TOML"),
        (('title = "Tea"\n', ""), "lacks 'title'"),
        (('file = "brew.py"', 'fiel = "brew.py"'), "unknown key 'fiel'"),
        (("GET /brew", "/brew"), "must begin with a method"),
        (("concurrency = 2", "speed = 2"), "points must name answers and concurrency"),
        (('"one at a time"', '"slow"'), "unknown diagnosis 'slow'"),
        (('file = "brew.py"', 'file = "brew.py"\nservice = "work"'), "job must be one of"),
        (('file = "brew.py"', 'file = "brew.py"\njob = "stamp"'), "job must be one of"),
        (('file = "brew.py"', 'file = "brew.py"\nbarrier = "nobody"'), "barrier must be one of"),
        (('file = "brew.py"', 'file = "brew.py"\nrequests = 1000'), "requests must be a number"),
        (
            ('lesson = "01_tea"', 'lesson = "01_tea"\nauthor = "me"'),
            "unknown key 'author' in the file; known are app, endpoint",
        ),
        (('file = "brew.py"\n', ""), "lacks 'file'"),
        (
            ('"one at a time"', '{ kind = "blocked", speaks = "x" }'),
            "unknown key 'speaks' in a diagnosis; known are kind, or_kinds, part, says",
        ),
        (
            ('"one at a time"', '{ kind = "blocked", part = "speed" }'),
            "wrong answer 'lock' has the unknown part 'speed'",
        ),
        (('"one at a time"', '{ says = "x" }'), "lacks 'kind'"),
        (
            ('file = "brew.py"', 'file = "brew.py"\nservice = "oracle"'),
            "unknown service 'oracle'; known are .*postgres",
        ),
        (
            ('file = "brew.py"', 'file = "brew.py"\nstarter = "slow"'),
            "the starter has the unknown diagnosis 'slow'; known are does not start",
        ),
        (
            ('file = "brew.py"', 'file = "brew.py"\nresponds_first = true'),
            "responds_first is for an endpoint with afterwards",
        ),
        (
            ('file = "brew.py"', 'file = "brew.py"\nlate = { late = true }'),
            "an endpoint with late has {patience} in its request",
        ),
        (
            ('file = "brew.py"', 'file = "brew.py"\nalso = "redis"'),
            "also is for an endpoint that makes one call to another service",
        ),
        (
            ('file = "brew.py"', 'file = "brew.py"\ncached = "yes"'),
            "endpoint.0.cached: Input should be a valid boolean, not 'yes'",
        ),
        (
            ('file = "brew.py"', 'file = "brew.py"\nupstream_calls = 0'),
            "endpoint.0.upstream_calls: .* greater than or equal to 1, not 0",
        ),
        (
            ("{ answers = 1, concurrency = 2 }", "{ answers = -1, concurrency = 2 }"),
            "points must name answers and concurrency",
        ),
        (('file = "brew.py"', 'file = "brew.py"\ncombined_with = true'), "combined_with is for endpoints of one file"),
    ],
)
def test_mistakes_get_one_message(tmp_path, change, says):
    """A mistake in an exercise file gets one clear message."""
    with pytest.raises(ExerciseError, match=says):
        load(write(tmp_path, GOOD.replace(*change)))


def test_points_keep_their_notation(tmp_path):
    """An integer is printed without a decimal point."""
    points = load(write(tmp_path, GOOD.replace("answers = 1", "answers = 0.5"))).endpoint("brew").points
    assert list(map(repr, points.values())) == ["0.5", "2"] and list(points) == ["answers", "concurrency"]


def test_missing_file_and_unknown_endpoint(tmp_path):
    with pytest.raises(ExerciseError, match="no exercise.toml"):
        load(tmp_path)
    with pytest.raises(ExerciseError, match="It has: brew"):
        load(write(tmp_path, GOOD)).endpoint("tea")


def test_catalogue_and_files_must_agree(tmp_path):
    exercise = load(write(tmp_path, GOOD))
    with pytest.raises(ExerciseError, match="brew/accepted/plain is named, but has no file"):
        catalogue(exercise)
    folder = tmp_path / "answers" / "brew" / "accepted"
    folder.mkdir(parents=True)
    (folder / "plain.py").touch()
    (folder / "other.py").touch()
    with pytest.raises(ExerciseError, match="other is a file that exercise.toml does not name"):
        catalogue(exercise)


@pytest.mark.parametrize("folder", paths.exercises(), ids=lambda folder: folder.name)
def test_learners_get_no_catalogue(folder, tmp_path):
    text = public_text(folder)
    assert "[endpoint.accepted]" not in text and "[endpoint.wrong]" not in text and "one_thread" not in text
    public, private = load(write(tmp_path, text)), load(folder)
    for mine, theirs in zip(private.endpoints, public.endpoints, strict=True):
        assert (theirs.id, theirs.request, theirs.points) == (mine.id, mine.request, mine.points)
        assert not theirs.accepted and not theirs.wrong


@pytest.mark.parametrize("folder", paths.exercises(), ids=lambda folder: folder.name)
def test_the_catalogue_is_large_enough(folder):
    exercise = load(folder)
    if exercise.shop:
        judged = {endpoint for endpoint, _ in exercise.shop.wrong.values()}
        assert len(exercise.shop.accepted) >= 5 and judged == {e.id for e in exercise.endpoints if not e.combined_with}
        return
    for endpoint in exercise.endpoints:
        assert len(endpoint.accepted) >= 5 and len(endpoint.wrong) >= 8


SHOP = """
lesson = "01_tea"
title = "Tea"

[app]
id = "house"
file = "house.py"

[app.accepted]
plain = "as it should be"

[app.wrong]
lock = { endpoint = "pour", kind = "one at a time" }

[[endpoint]]
id = "brew"
title = "Brewing"
request = "GET /brew/{number}?wait={wait}"
answer = { cup = "{number}" }
points = { concurrency = 1 }

[[endpoint]]
id = "pour"
title = "Pouring"
request = "GET /pour/{token}"
answer = { poured = "{reply}" }
service = "upstream"
points = { answers = 1, concurrency = 1 }

[[endpoint]]
id = "canary"
title = "All"
combined_with = true
points = { concurrency = 2 }
"""


def test_endpoints_of_one_file(tmp_path):
    exercise = load(write(tmp_path, SHOP))
    (house,) = exercise.files
    assert [(e.id, e.cell, e.file, e.services, e.parts) for e in house] == [
        ("brew", "house", "house.py", ("upstream",), ("concurrency",)),
        ("pour", "house", "house.py", ("upstream",), ("answers", "concurrency")),
        ("canary", "house", "house.py", ("upstream",), ("concurrency",)),
    ]
    assert [e.id for e in house[2].combined_with] == ["brew", "pour"]
    assert "[app.accepted]" not in public_text(tmp_path) and "[app.wrong]" not in public_text(tmp_path)
    assert load(write(tmp_path, public_text(tmp_path))).shop.wrong == {}


BASE = '"""Tea."""\nimport os\n\napp = 1\n\n\n# --- brew: a cup\n\na = 1\n\n\n# --- pour\n\nb = 1\n'
OTHER = "import time\nx = 0\n\n# --- brew: a cup\n\na = 2\n# --- pour\nb = 2\n"


def test_sections_are_lent():
    text = compose(BASE, OTHER, ["pour"])
    assert text.startswith('import time\n"""Tea."""\n') and "x = 0" not in text
    assert "a = 1" in text and "b = 2" in text and "b = 1" not in text
    assert "a = 2" in compose(BASE, OTHER)
    with pytest.raises(KeyError, match="stir"):
        compose(BASE, OTHER, ["stir"])


def test_shop_sections_must_agree(tmp_path):
    """The sections of an app with many endpoints must agree with its exercise file."""
    exercise = load(write(tmp_path, SHOP))
    answers = tmp_path / "answers" / "house"
    (answers / "accepted").mkdir(parents=True)
    (answers / "wrong").mkdir()
    for name in ("starter", "reference"):
        (answers / f"{name}.py").write_text(BASE)
    with pytest.raises(ExerciseError, match="accepted/plain is named, but has no file"):
        catalogue(exercise)
    (answers / "accepted" / "plain.py").write_text("# --- stir\n")
    with pytest.raises(ExerciseError, match="plain has a section 'stir' that the other file does not have"):
        catalogue(exercise)
    (answers / "accepted" / "plain.py").write_text("# --- brew\na = 3\n")
    (answers / "wrong" / "lock.py").write_text("# --- pour\nb = 3\n")
    found = {answer.label: answer for answer in catalogue(exercise)}
    assert list(found) == ["house/starter", "house/reference", "house/accepted/plain", "house/wrong/lock"]
    assert [(e.id, expected and expected.kind) for e, expected in found["house/starter"].expected] == [
        ("brew", "blocked"), ("pour", "blocked"), ("canary", "blocked"),
    ]  # fmt: skip
    assert [(e.id, expected.kind) for e, expected in found["house/wrong/lock"].expected] == [("pour", "one at a time")]
    assert "a = 3" in found["house/accepted/plain"].text and found["house/accepted/plain"].wrong is None


def test_expected_words_can_have_alternatives(tmp_path):
    """One mistake can end in several messages of a driver's; each of them is the right diagnosis."""
    text = GOOD.replace('says = "time.sleep"', 'says = ["time.sleep", "brew.py:7"]')
    wrong = load(write(tmp_path, text)).endpoint("brew").wrong["sleep"]
    assert wrong.fits("blocked", "time.sleep in line 7") and wrong.fits("blocked", "brew.py:7 blocks")
    assert not wrong.fits("blocked", "something") and not wrong.fits("one at a time", "time.sleep")
    assert str(wrong) == "blocked … time.sleep or brew.py:7"


def test_mistake_may_have_other_kinds():
    """One mistake can end in an error or in a wrong answer, by chance; another kind doesn't fit."""
    expected = ExpectedDiagnosis(DiagnosisKind.SERVER_ERROR, ("use a pool",), or_kinds=(DiagnosisKind.WRONG_ANSWER,))
    assert expected.fits("server error", "use a pool") and expected.fits("wrong answer", "244745")
    assert not expected.fits("server error", "another") and not expected.fits("blocked", "use a pool")
