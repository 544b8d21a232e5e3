import asyncio

import httpx


async def test_health_while_one_waits(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=8) as client:
        request = asyncio.create_task(client.get("/quotes/tea"))
        await supplier.arrived(1)
        await client.get("/health")
        await supplier.release()
        assert (await request).json()["item"] == "tea"
