import asyncio

import httpx


async def test_two_meet(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=8) as client:
        requests = [asyncio.create_task(client.get(f"/quotes/{name}")) for name in ("tea", "milk")]
        await supplier.arrived(2, limit=6)
        await client.get("/health")
        await supplier.release()
        assert [(await request).json()["item"] for request in requests] == ["tea", "milk"]
