"""What the tests of freeloop share: services in a package layout, which the course did not write."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import paths

FILES = {
    "shop/__init__.py": "",
    "shop/settings.py": 'import os\n\nNAME = os.environ["SHOP_NAME"]\n',
    "shop/reports/__init__.py": "",
    "shop/reports/monthly.py": "import time\n\n\ndef load_rows(month):\n    time.sleep(0.25)\n    return [month]\n",
    "shop/main.py": """
import asyncio
import time

from fastapi import FastAPI
from pydantic import BaseModel, Field

from shop import settings
from shop.reports.monthly import load_rows

app = FastAPI()


class Order(BaseModel):
    item: str = Field(examples=["hat"])


@app.get("/")
async def root():
    return {"name": settings.NAME}


@app.get("/reports/{month}")
async def report(month: int):
    return load_rows(month)


@app.get("/awaits")
async def awaits():
    await asyncio.sleep(0.25)


@app.get("/threads")
def threads():
    time.sleep(0.25)


@app.post("/orders")
async def order(order: Order):
    time.sleep(0.25)
    return {"item": order.item}


def create():
    return app
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with a package, settings that need a variable, and one endpoint that blocks."""
    for name, text in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip("\n"))
    (tmp_path / "project" / ".env").write_text('# of the shop\nexport SHOP_NAME="my shop"  # its name\n')
    return tmp_path / "project"


@pytest.fixture
def freeloop(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m freeloop`` in the project's folder."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(paths.TAKEHOME)}
        command = [sys.executable, "-P", "-m", "freeloop", *words]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    return run
