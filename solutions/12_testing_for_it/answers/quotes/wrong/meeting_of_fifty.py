import asyncio

import httpx


async def test_fifty_meet(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        requests = [asyncio.create_task(client.get(f"/quotes/{i}")) for i in range(50)]
        await supplier.arrived(50, limit=10)
        await client.get("/health")
        await supplier.release()
        await asyncio.gather(*requests)
