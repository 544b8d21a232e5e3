"""The audit of a service: the real command, on a real service in a package layout."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import paths

LOAD = ["--env-file", ".env", "--requests", "4", "--seconds", "0.4"]


def line_of(project, name, text):
    return next(n for n, line in enumerate((project / name).read_text().splitlines(), 1) if text in line)


def test_audit_names_the_blocking_line(freeloop, project):
    """The first command of the README, with a budget: the one blocker, and none of the others."""
    done = freeloop("audit", "shop.main:app", *LOAD, "--max-block", "200ms", "--json", "out.json", "--html", "out.html")
    assert done.returncode == 1, done.stdout + done.stderr
    line = line_of(project, "shop/reports/monthly.py", "time.sleep")
    assert f"shop/reports/monthly.py:{line}" in done.stdout and "time.sleep(0.25)" in done.stdout
    found = json.loads((project / "out.json").read_text())
    assert found["over_budget"] == ["GET /reports/{month}"]
    routes = {route["name"]: route for route in found["routes"]}
    assert set(routes) == {"GET /", "GET /reports/{month}", "GET /awaits", "GET /threads"}
    report = routes["GET /reports/{month}"]
    assert report["responses"] == {"200": 5} and report["guessed"] == ["month"]
    assert report["lines"][0]["line"] == line and report["longest_block_s"] >= 0.2
    assert report["first_request"]["longest_block_s"] >= 0.2
    assert "POST /orders" in found["not_called"], "it may change something"
    page = (project / "out.html").read_text()
    assert "<svg" in page and 'class="blocked"' in page and f"monthly.py:{line}" in page
    assert not re.findall(r"(?:src|href)=|https?://|@import|<script", page), "one file, nothing from elsewhere"


def test_audit_within_budget_succeeds(freeloop):
    """With every block within the budget, the exit code is zero and the report says so."""
    done = freeloop("audit", "shop.main:create", "--factory", *LOAD, "--only", "/awaits", "--max-block", "200ms")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Within the budget" in done.stdout and re.search(r"GET /awaits  \d+ × 200", done.stdout)
    assert "/reports" not in done.stdout


def test_named_method_uses_the_example(freeloop, project):
    """A method that is included by name is called with the example of its schema."""
    done = freeloop("audit", "shop.main:app", *LOAD, "--include", "POST /orders", "--only", "/orders", "--json", "-")
    found = json.loads(done.stdout)
    (route,) = found["routes"]
    assert route["responses"] == {"200": 5} and route["guessed"] == []
    assert route["lines"][0]["function"] == "order" and done.returncode == 0, "without a budget nothing is too long"


def test_failing_requests_are_reported(freeloop, project):
    """An endpoint whose requests all fail, because a value was guessed wrong, is reported as not checked."""
    main = project / "shop/main.py"
    main.write_text(
        main.read_text().replace(
            "month: int):\n    return", "month: int):\n    if month < 7:\n        raise ValueError\n    return"
        )
    )
    words = ["audit", "shop.main:app", *LOAD, "--only", "/reports/{month}"]
    done = freeloop(*words, "--max-block", "60s")
    assert "no request succeeded" in done.stdout and "guessed: month" in done.stdout
    assert done.returncode == 2 and "the budget can't be checked" in done.stderr, (
        "a service that wasn't run isn't a fast one"
    )
    (project / "values.json").write_text('{"month": 7}')
    done = freeloop(*words, "--values", "values.json")
    assert "no request succeeded" not in done.stdout and "monthly.py" in done.stdout


def test_deadlock_is_found(freeloop, project):
    """A loop that never comes back is over every budget; its endpoint is named, and the others aren't called."""
    main = project / "shop/main.py"
    text = main.read_text().replace("async def awaits():\n", "async def awaits():\n    with LOCK:\n    ")
    main.write_text(text.replace("app = FastAPI()", "import threading\n\nLOCK = threading.Lock()\napp = FastAPI()"))
    done = freeloop("audit", "shop.main:app", *LOAD, "--limit", "1", "--max-block", "900ms", "--json", "out.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"shop/main.py:{line_of(project, 'shop/main.py', 'with LOCK')}" in done.stdout
    found = json.loads((project / "out.json").read_text())
    assert found["over_budget"] == ["GET /awaits"] and "still blocked" in found["not_called"]["GET /threads"]


def test_saturated_pool_is_reported(freeloop, project):
    """Fifty requests for forty threads: ten wait, and the loop is free meanwhile."""
    main = project / "shop/main.py"
    gate = "    GATE.wait(60)\n"
    text = main.read_text().replace("def threads():\n    time.sleep(0.25)\n", f"def threads():\n{gate}")
    text += "\nimport threading\nGATE = threading.Event()\nCALLS = []\n"
    text += '\n@app.middleware("http")\nasync def count(request, call_next):\n    CALLS.append(request)\n'
    text += "    if len(CALLS) in (1, 51):\n        asyncio.get_running_loop().call_later(0.1, GATE.set)\n"
    text += "    if len(CALLS) == 2:\n        GATE.clear()\n    return await call_next(request)\n"
    main.write_text(text)
    done = freeloop(
        "audit", "shop.main:app", "--env-file", ".env", "--requests", "50", "--only", "/threads", "--json", "-"
    )
    (route,) = json.loads(done.stdout)["routes"]
    (pool,) = [pool for pool in route["thread_pools"] if pool["name"] == "anyio"]
    assert pool["used"] == pool["total"] == 40 and pool["waiting"] >= 1


@pytest.mark.parametrize(
    "words, says",
    [
        (["shop.nowhere:app"], "No module named 'shop.nowhere'"),
        (["shop.main:nothing", "--env-file", ".env"], "has no attribute 'nothing'"),
        (["shop.main:app"], "KeyError: 'SHOP_NAME'"),
        (["shop.main:app", "--env-file", "missing.env"], "missing.env can't be read"),
        (["shop.main:app", "--env-file", ".env", "--only", "/nowhere"], "no endpoint '/nowhere'"),
        (["shop.main:app", "--env-file", ".env", "--python", "/no/python"], "/no/python can't be started"),
        (["shop.main:app", "--header", "x"], "has no colon"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_failed_audit_says_why(freeloop, words, says):
    """An audit that can't run exits with 2 and says why, without a traceback of its own."""
    done = freeloop("audit", *words)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert "host.py" not in done.stderr


@pytest.mark.long
def test_example_is_found_and_fixed(freeloop, project):
    """The service that the README and lesson 14 use: audited, its test red, fixed, its test green."""
    made = freeloop("example", "made")
    assert made.returncode == 0 and str(Path("made", "ledger", "main.py")) in made.stdout
    assert "already exists: choose another folder" in freeloop("example", "made").stderr
    folder = project / "made"
    words = [
        "audit",
        "ledger.main:app",
        "--folder",
        "made",
        "--env-file",
        "made/.env",
        "--requests",
        "3",
        "--seconds",
        "0.3",
        "--json",
        "out.json",
    ]
    done = freeloop(*words)
    number = line_of(folder, "ledger/database.py", "execute(YEAR)")
    assert f"ledger/database.py:{number}" in done.stdout and "GET /report  blocked" in done.stdout
    routes = {route["name"]: route for route in json.loads((project / "out.json").read_text())["routes"]}
    assert set(routes["GET /accounts/{name}"]["responses"]) == {"200"}, "its example is a name that exists"

    environment = {**os.environ, "PYTHONPATH": f"{paths.TAKEHOME}{os.pathsep}{folder}"}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "freeloop.pytest_plugin", "--rootdir", str(folder)]
    red = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert red.returncode == 1 and "2 failed" in red.stdout, red.stdout
    main = folder / "ledger/main.py"
    main.write_text(main.read_text().replace("async def report", "def report"))
    green = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert green.returncode == 0, green.stdout
