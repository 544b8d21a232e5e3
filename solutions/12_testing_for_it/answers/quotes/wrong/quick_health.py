import asyncio
import time

import httpx


async def test_health_is_quick(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        requests = [asyncio.create_task(client.get(f"/quotes/{i}")) for i in range(4)]
        await supplier.arrived(4)
        start = time.perf_counter()
        await client.get("/health")
        assert time.perf_counter() - start < 0.5
        await supplier.release()
        for i, request in enumerate(requests):
            assert (await request).json()["item"] == str(i)
