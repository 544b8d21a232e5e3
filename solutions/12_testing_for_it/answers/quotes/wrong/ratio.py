import asyncio
import time

import httpx


async def test_four_take_hardly_longer_than_one(url):
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        start = time.perf_counter()
        await client.get("/quotes/one")
        one = time.perf_counter() - start
        start = time.perf_counter()
        await asyncio.gather(*(client.get(f"/quotes/{i}") for i in range(4)))
        four = time.perf_counter() - start
    assert four < 2.5 * one + 0.1
