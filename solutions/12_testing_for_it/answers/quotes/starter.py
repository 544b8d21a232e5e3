import asyncio
import time

import httpx


async def test_requests_are_quick(url):
    async with httpx.AsyncClient(base_url=url) as client:
        start = time.perf_counter()
        await asyncio.gather(*(client.get(f"/quotes/{i}") for i in range(4)))
        duration = time.perf_counter() - start
    assert duration < 2.0
