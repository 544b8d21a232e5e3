"""If the judge's own process couldn't run, a missing response isn't the app's fault: its service may not have replied."""

import asyncio
import time

import pytest

from autograder import lab
from autograder.judge.proofs import requests
from autograder.judge.spec.endpoint import CheckRequest
from autograder.judge.verdict import AnswerFault, Inconclusive

APP = """
import asyncio
from fastapi import FastAPI
app = FastAPI()

@app.get("/never")
async def never():
    await asyncio.Event().wait()
"""
LIMIT = 2.0  # s


@pytest.fixture
def app(tmp_path):
    (tmp_path / "never.py").write_text(APP)
    server = lab.Server(tmp_path / "never.py")
    yield server.wait_until_ready()
    server.stop()


@pytest.mark.parametrize("delay, raised", [(0.0, AnswerFault), (0.8 * LIMIT, Inconclusive)])
async def test_own_delay_is_excused(app, delay, raised):
    """A delay of the judge's own process is excused. (A blocking companion stands for a swapping machine or a held GIL.)"""

    async def companion(race):
        while race.began is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        time.sleep(delay)

    with pytest.raises(raised, match="too busy" if delay else "had no response"):
        await requests.run_requests(app, [CheckRequest("GET", "/never", {})], LIMIT, companion=companion)
