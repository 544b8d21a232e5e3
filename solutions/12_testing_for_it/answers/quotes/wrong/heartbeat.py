import asyncio
import time

import httpx


async def test_a_heartbeat_beside_the_requests(url):
    gaps = []

    async def beat():
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.01)
            gaps.append(time.perf_counter() - start)

    heart = asyncio.create_task(beat())
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for i in range(4):
            await client.get(f"/quotes/{i}")
    heart.cancel()
    assert max(gaps, default=0) < 10
