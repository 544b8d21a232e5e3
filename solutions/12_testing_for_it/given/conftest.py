"""The fixtures of this exercise: the address of a running app, and the supplier that the app calls."""

import asyncio
import os
import time

import httpx
import pytest


class Supplier:
    """The service that the app calls for prices.  It can hold its replies until the test releases them."""

    def __init__(self, url):
        self.url = url

    async def hold(self):
        """Hold the reply to every call from now on."""
        await self._tell("POST", "hold")

    async def arrived(self, count=1, limit=10.0):
        """Wait until ``count`` calls are held, and return their tokens.  Raise TimeoutError after ``limit`` seconds."""
        end = time.monotonic() + limit
        async with self._client() as client:
            while len(held := (await client.get("/gate/arrived")).json()) < count:
                if time.monotonic() > end:
                    raise TimeoutError(f"the supplier holds {len(held)} calls, not {count}")
                await asyncio.sleep(0.02)
        return held

    async def release(self, count=None):
        """Reply to the ``count`` calls that have waited longest, or to all.  Later calls are still held."""
        await self._tell("POST", "release" if count is None else f"release?count={count}")

    async def price(self, token):
        """Return the price that the supplier has for a token."""
        return await self._tell("GET", f"price/{token}")

    async def _tell(self, method, what):
        async with self._client() as client:
            return (await client.request(method, f"/gate/{what}")).json()

    def _client(self):
        return httpx.AsyncClient(base_url=self.url, verify=False, trust_env=False, timeout=30)


@pytest.fixture
def url():
    """The address of the app, which serves GET /quotes/{token} and GET /health."""
    return os.environ["APP_URL"]


@pytest.fixture
def supplier():
    """The supplier.  It replies at once until a test calls hold(), and again after the test."""
    service = Supplier(os.environ["SUPPLIER_URL"])
    yield service
    httpx.post(f"{service.url}/gate/open", trust_env=False)
