"""What a test of this exercise is given: the address of a running app, and the supplier that the app asks."""

import asyncio
import os
import time

import httpx
import pytest


class Supplier:
    """The service that the app asks for prices.  It can hold its replies until the test lets them go."""

    def __init__(self, url):
        self.url = url

    async def hold(self):
        """From now on keep everybody waiting who asks."""
        await self._tell("POST", "hold")

    async def arrived(self, count=1, limit=10.0):
        """Wait until ``count`` questions are held, and return their tokens.  After ``limit`` seconds: TimeoutError."""
        end = time.monotonic() + limit
        async with self._client() as client:
            while len(held := (await client.get("/gate/arrived")).json()) < count:
                if time.monotonic() > end:
                    raise TimeoutError(f"the supplier holds {len(held)} questions, not {count}")
                await asyncio.sleep(0.02)
        return held

    async def release(self, count=None):
        """Reply to the ``count`` that have waited longest, or to all; who asks later is held."""
        await self._tell("POST", "release" if count is None else f"release?count={count}")

    async def price(self, token):
        """The price that the supplier gives for a token."""
        return await self._tell("GET", f"price/{token}")

    async def _tell(self, method, what):
        async with self._client() as client:
            return (await client.request(method, f"/gate/{what}")).json()

    def _client(self):
        return httpx.AsyncClient(base_url=self.url, verify=False, trust_env=False, timeout=30)


@pytest.fixture
def url():
    """Where the app answers: GET /quotes/{token} and GET /health."""
    return os.environ["APP_URL"]


@pytest.fixture
def supplier():
    """The supplier, open at first, and opened again when the test is over."""
    service = Supplier(os.environ["SUPPLIER_URL"])
    yield service
    httpx.post(f"{service.url}/gate/open", trust_env=False)
