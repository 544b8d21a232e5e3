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


def pytest_collection_modifyitems(items):
    """Where tests run on several workers, a module stays on one; only the long lists of independent ones are spread."""
    for item in items:
        if item.module.__name__ not in ("test_catalogue", "test_lessons"):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
