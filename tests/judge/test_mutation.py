"""Exercise 12: tests are judged by what they do to apps whose truth is known; a hostile test gains nothing."""

import asyncio
import os
import socket
import tempfile
from types import SimpleNamespace

import pytest
from helpers import gone, until
from selection import ONE_IN, chosen

from autograder import lab, paths
from autograder.judge.catalogue.catalogue import written
from autograder.judge.spec.exercise import load
from autograder.judge.tasks import mutation, test_runner
from autograder.judge.tasks.factory import judging
from autograder.judge.tasks.mutation import App, hidden, run_against, verdict
from autograder.judge.tasks.test_runner import FAILED, HANGS, PASSED, Run, attempt
from autograder.sandbox import levels
from autograder.services.upstream import Rooms

FOLDER = paths.SOLUTIONS / "12_testing_for_it"
TASK = load(FOLDER).endpoint("quotes")
CONFTEST = FOLDER / "given" / "conftest.py"
APPS = hidden(TASK)
HONEST, BLOCKING = ([app for app in APPS if app.honest is should_pass] for should_pass in (True, False))
FEW = HONEST[:2] + BLOCKING[:3]


ANSWERS = written(load(FOLDER))


def label(answer):
    return answer.label


def ends(answer):
    return answer.kind in ("reference", "starter")


@pytest.mark.parametrize("answer", chosen(ANSWERS, label, always=ends), ids=label)
async def test_verdict(answer, grading_sandbox):
    """Once for each app, in a sandbox where the machine has one: what a second run adds is tested below, without the time it takes.

    A run with a part of the catalogue meets all apps with the reference, and with a wrong answer that is to see some of them.
    """
    few = answer.wrong.kind == "always passes" if answer.wrong else ONE_IN > 1 and label(answer) != "quotes/reference"
    apps = FEW if few else APPS
    sandbox = grading_sandbox if grading_sandbox and grading_sandbox.level == "namespaces" else None
    runs = await run_against(answer.file, CONFTEST, apps, twice=False, sandbox=sandbox)
    honest, blocking = verdict("honest", apps, runs), verdict("blocking", apps, runs)
    if answer.wrong is None:
        assert honest.passed and blocking.passed, blocking
        return
    assert (blocking.kind, blocking.passed) == (answer.wrong.kind, False), blocking
    assert answer.wrong.fits(blocking.kind, blocking.diagnosis), blocking.diagnosis
    # a test that sees much, and not all, has the points for the honest apps and a part of the others
    assert honest.passed == ("8 of 10" in blocking.diagnosis or "5 of 10" in blocking.diagnosis)
    assert honest.passed == bool(blocking.points(10))


def test_the_catalogue_is_large_enough():
    assert len(TASK.accepted) >= 5 and len(TASK.wrong) >= 8
    for kind, apps in (("honest", HONEST), ("blocking", BLOCKING)):
        assert {app.file.name for app in apps} == {file.name for file in (FOLDER / "hidden" / kind).glob("*.py")}
    assert len(BLOCKING) == TASK.points["blocking"]


@pytest.mark.heavy
async def test_apps_look_alike_from_outside(tmp_path):
    """The same paths, names and texts in the description that FastAPI gives, and the same headers."""
    seen = set()
    for app in APPS:
        file = tmp_path / "quotes.py"
        file.write_text(app.file.read_text())
        server = lab.Server(file, {"UPSTREAM_URL": "http://127.0.0.1:9"})
        try:
            server.wait_until_ready()
            race = await lab.race("/openapi.json", n=1, app=server, show=False)
            seen.add(race.requests[0].body)
        finally:
            server.stop()
    assert len(seen) == 1


# What a second run is for, on runs that are made up: the real ones are above.


def made_up(apps, *results):
    return {app: [Run(result, "E   assert 0", 0.1) for result in results] for app in apps}


def judged(honest, blocking):
    runs = made_up(HONEST, *honest) | made_up(BLOCKING, *blocking)
    return verdict("honest", APPS, runs), verdict("blocking", APPS, runs)


def test_only_repeatable_results_count():
    """Only a result that is the same each time counts for or against a test."""
    assert all(v.passed for v in judged([PASSED] * 2, [FAILED] * 2))
    assert judged([PASSED] * 2, [FAILED, PASSED])[1].kind == "misses blocking apps"
    assert "detect reliably" in judged([PASSED] * 2, [FAILED, PASSED])[1].diagnosis
    assert {v.kind for v in judged([PASSED, FAILED], [FAILED] * 2)} == {"not the same twice"}
    assert {v.kind for v in judged([FAILED] * 2, [PASSED] * 2)} == {"accuses honest apps"}
    assert {v.kind for v in judged([FAILED] * 2, [FAILED] * 2)} == {"always fails"}
    assert {v.kind for v in judged([PASSED] * 2, [PASSED] * 2)} == {"always passes"}
    assert {v.kind for v in judged([PASSED] * 2, [HANGS] * 2)} == {"never ends"}


def test_one_late_run_is_forgiven():
    """One late run of a correct app is forgiven; two are not."""
    assert all(v.passed for v in judged([FAILED, PASSED, PASSED, PASSED], [FAILED] * 2))
    assert judged([PASSED, FAILED, FAILED, PASSED], [FAILED] * 2)[0].kind == "not the same twice"


def test_each_caught_app_earns_points():
    """Each blocking app that the test catches earns a share, once half of them are caught."""
    for seen in range(len(BLOCKING) + 1):
        runs = made_up(HONEST, PASSED, PASSED) | made_up(BLOCKING, PASSED, PASSED)
        runs |= made_up(BLOCKING[:seen], FAILED, FAILED)
        worth = seen >= 5
        assert verdict("blocking", APPS, runs).points(10) == (seen if worth else 0)
        assert verdict("honest", APPS, runs).points(5) == (5 if worth else 0)


@pytest.fixture
def coin(monkeypatch):
    """Return runs with random results, in order, without starting processes."""
    import random

    order = []

    async def toss(test, conftest, file, supplier, sandbox, *more):
        order.append(file)
        return Run(random.choice([PASSED, FAILED]), "", 0.0)

    monkeypatch.setattr(mutation, "attempt", toss)
    return order


@pytest.mark.heavy
async def test_a_coin_earns_nothing(coin):
    earned = []
    for _ in range(60):
        runs = await run_against("x", CONFTEST, APPS)
        earned.append(verdict("honest", APPS, runs).points(5) + verdict("blocking", APPS, runs).points(10))
    # each honest app would have to come up right twice, and there are six of them
    assert sum(earned) / len(earned) < 1


async def test_order_of_apps_is_random(coin):
    """The order in which the apps are tested differs from run to run."""
    orders = set()
    for _ in range(4):
        coin.clear()
        await run_against("x", CONFTEST, APPS, twice=False)
        orders.add(tuple(coin))
    assert len(orders) > 1


# Hostile tests.


@pytest.fixture
def once(tmp_path):
    """Runs a test's text once against one app."""

    async def run(text, app=HONEST[0], sandbox=None):
        file = tmp_path / "test_quotes.py"
        file.write_text(text)
        with Rooms() as supplier:
            return await attempt(file, CONFTEST, app.file, supplier, sandbox)

    return run


async def test_hanging_test_is_ended(once, tmp_path, monkeypatch):
    """A test that doesn't end is ended, with every process that it started."""
    monkeypatch.setattr(test_runner, "RUN_LIMIT", 6.0)
    pid = tmp_path / "pid"
    run = await once(
        f"import os, subprocess, sys\n"
        f"def test_x():\n"
        f"    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    open({str(pid)!r}, 'w').write(str(child.pid))\n"
        f"    while True: pass\n"
    )
    assert run.result == HANGS
    if pid.exists():  # on a machine that is slow enough it was ended before it began
        until(lambda: gone(int(pid.read_text())))


async def test_endless_output_is_bounded(once, monkeypatch):
    """A test that prints without end costs a bounded amount of memory."""
    monkeypatch.setattr(test_runner, "RUN_LIMIT", 5.0)
    run = await once("import os\ndef test_x():\n    while True: os.write(2, b'x' * 100_000)\n")
    assert len(run.output) <= 2 * test_runner.OUTPUT_LIMIT


async def test_forged_results_earn_nothing():
    """A forged pass catches no app, and a forged failure accuses the correct ones."""
    for code, kind in ((0, "always passes"), (1, "always fails")):
        runs = made_up(APPS, (PASSED, FAILED)[code])
        assert verdict("blocking", APPS, runs).kind == kind


@pytest.mark.heavy
async def test_forged_report_file_is_ignored(once):
    """A result file that the test writes itself isn't read."""
    forged = "import os\nopen('junit.xml', 'w').write('<testsuite failures=\"0\"/>')\ndef test_x(): os._exit(3)\n"
    run = await once(forged)
    assert run.result.startswith("pytest ended in the middle") and "exit code 3" in run.result
    assert (await once("import os\nos._exit(0)\n")).result == PASSED


async def test_environment_has_no_secrets(once, monkeypatch):
    """A test's environment has the addresses that it needs and none of the grader's variables."""
    monkeypatch.setenv("COURSE_SECRET", "s3cret")
    run = await once("import os\ndef test_x(): raise ValueError(' '.join(sorted(os.environ)))\n")
    assert "APP_URL" in run.reason + run.output and "COURSE_SECRET" not in run.output


async def test_app_source_is_gone_early(once, tmp_path, monkeypatch):
    """The source of the app is deleted before the test begins."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where nobody else tries anything
    look = (
        "import glob, tempfile\n"
        "def test_x():\n"
        f"    found = glob.glob({str(tmp_path / 'course-tried-*/quotes.py')!r})\n"
        "    assert not found, found\n"
    )
    assert (await once(look)).result == PASSED


PRY = """
import os, pathlib, socket
import pytest

@pytest.mark.parametrize("place", [{sources!r}, {secret!r}, "/root/.ssh", "/etc/shadow"])
def test_no_file_of_ours(place):
    assert not os.path.exists(place)

def test_no_process_of_ours():
    assert len([name for name in os.listdir("/proc") if name.isdigit()]) < 5

def test_no_door_but_two():
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", {port}), timeout=5)

def test_nothing_to_write_to():
    with pytest.raises(OSError):
        pathlib.Path({sources!r}).parent.joinpath("x").write_text("x")
"""


@pytest.fixture
def walls():
    found = levels.at_least()
    try:
        assert found.level == "namespaces", found.sentence
        yield found.sandbox
    finally:
        if found.sandbox:
            found.sandbox.close()


async def test_root_without_sandbox_tests_nothing(tmp_path, monkeypatch):
    """A process of another user is what the level promises, and pytest is not started as one."""
    monkeypatch.setattr(mutation, "run_against", None)
    judge = judging(tmp_path / "test_quotes.py", TASK, SimpleNamespace(sandbox=SimpleNamespace(level="user")))
    verdict = await judge.verdict_with_retries("honest")
    assert verdict.outcome == "error" and "as root" in verdict.diagnosis


@pytest.mark.sandbox
@pytest.mark.heavy
async def test_sandboxed_test_works_as_before(once, walls):
    """In the sandbox a test passes and fails as it does outside."""
    reference = (FOLDER / "answers/quotes/reference.py").read_text()
    assert (await once(reference, sandbox=walls)).result == PASSED
    assert (await once(reference, BLOCKING[0], sandbox=walls)).result == FAILED


@pytest.mark.heavy
@pytest.mark.sandbox
async def test_sandboxed_test_sees_no_secrets(once, walls, tmp_path):
    """In the sandbox a test sees neither the sources nor the gradebook nor the grader's ports."""
    secret = tmp_path / "gradebook.db"
    secret.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as ours:
        text = PRY.format(sources=str(paths.SOLUTIONS), secret=str(secret), port=ours.getsockname()[1])
        run = await once(text, sandbox=walls)
        assert run.result == PASSED, run.output
        try:
            assert (await once(text)).result == FAILED, "without a wall the same test must see something"
        finally:
            (paths.ROOT / "x").unlink(missing_ok=True)


async def test_upstream_rooms_are_independent(tmp_path):
    """Holding requests in one room of the upstream doesn't affect another room."""
    import httpx

    with Rooms() as supplier:
        one, other = supplier.room(), supplier.room()
        async with httpx.AsyncClient(timeout=30) as client:
            await client.post(f"{one}/gate/hold")
            held = asyncio.create_task(client.get(f"{one}/items/a"))
            free = await client.get(f"{other}/items/b")
            assert free.json()["item"] == "b" and not held.done()
            while (await client.get(f"{one}/gate/arrived")).json() != ["a"]:
                pass
            assert (await client.get(f"{other}/gate/arrived")).json() == []
            await client.post(f"{one}/gate/release?count=1")
            price = (await client.get(f"{one}/gate/price/a")).json()
            assert (await held).json() == {"item": "a", "price": price}


async def test_no_verdict_without_the_sources(monkeypatch, tmp_path):
    """Without the course's sources a test gets an ERROR, not a FAIL."""
    monkeypatch.setattr(paths, "SOLUTIONS", tmp_path)
    outcome = await mutation.MutationJudge(tmp_path / "test_quotes.py", TASK).verdict_with_retries("honest")
    assert outcome.outcome == "error" and "sources of the course" in outcome.diagnosis


def test_every_app_has_a_description():
    """Each app that a test is tried on has a file and a description."""
    assert all(isinstance(app, App) and os.path.isfile(app.file) and app.says for app in APPS)
