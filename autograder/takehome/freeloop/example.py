"""A small service to try freeloop on: a package with settings, a ``.env`` file, an SQLite database, and one blocking line."""

from __future__ import annotations

from pathlib import Path

FILES = {
    ".env": "LEDGER_FILE=ledger.sqlite  # created when the service starts\n",
    "ledger/__init__.py": '"""Keeps accounts of income and expenses."""\n',
    "ledger/settings.py": '"""Settings from environment variables."""\n\nimport os\n\nFILE = os.environ["LEDGER_FILE"]\n',
    "ledger/database.py": '''"""Queries. Each opens its own connection, so it can run in any thread."""

import sqlite3
from contextlib import closing

from ledger import settings

# stands for a year of entries: SQLite generates and adds up two million numbers
YEAR = "WITH RECURSIVE entry(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM entry WHERE n < 2000000) SELECT sum(n % 100) FROM entry"


def prepare():
    with closing(sqlite3.connect(settings.FILE)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, amount INTEGER)")
        database.execute("INSERT OR REPLACE INTO account VALUES ('cash', 100)")


def amount(name):
    with closing(sqlite3.connect(settings.FILE)) as database:
        return database.execute("SELECT amount FROM account WHERE name = ?", [name]).fetchone()


def total():
    with closing(sqlite3.connect(settings.FILE)) as database:
        return database.execute(YEAR).fetchone()[0]
''',
    "ledger/main.py": '''"""The endpoints."""

from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException, Path

from ledger import database


@asynccontextmanager
async def lifespan(app):
    database.prepare()
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/accounts/{name}")
def account(name: Annotated[str, Path(examples=["cash"])]):
    if found := database.amount(name):
        return {"name": name, "amount": found[0]}
    raise HTTPException(404)


@app.get("/report")
async def report():
    return {"total": database.total()}


@app.get("/health")
async def health():
    return {"ok": True}
''',
    "test_ledger.py": '''"""Prove that the event loop stays free while reports are made."""


def test_reports_keep_the_loop_free(free_loop):
    free_loop.serve("ledger.main:app", env_file=".env").stays_free("/report", n=2)


def test_reports_overlap(free_loop, monkeypatch):
    monkeypatch.setenv("LEDGER_FILE", "ledger.sqlite")
    from ledger.main import app

    total = free_loop.patch("ledger.database.total", returns=1)
    free_loop.app(app).overlaps("/report", total, n=4)
''',
}


def write(folder: Path) -> list[Path]:
    """Create the folder, write the project into it, and return its files. Raise `FileExistsError` if one of them exists."""
    files = [folder / name for name in FILES]
    for file in files:
        if file.exists():
            raise FileExistsError(f"{file} already exists: choose another folder")
    for file, text in zip(files, FILES.values(), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return files
