import asyncio

import httpx
import pytest


class TestQuotes:
    @pytest.fixture
    def client(self, url):
        return httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(10))

    async def test_meeting(self, client, supplier):
        await supplier.hold()
        async with client:
            meeting = asyncio.gather(*(client.get(f"/quotes/{name}") for name in ("ann", "bob", "cid", "dee")))
            try:
                await supplier.arrived(count=4)
                async with asyncio.timeout(8):
                    await client.get("/health")
            finally:
                await supplier.release()
            answers = await meeting
        assert [answer.json()["item"] for answer in answers] == ["ann", "bob", "cid", "dee"]
