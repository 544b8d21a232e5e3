"""What all the tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone under test."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser that `./course test` found or installed."""
    path = os.environ.get("COURSE_CHROMIUM")
    assert path, "run the tests with ./course test: it sees to the browser"
    return path
