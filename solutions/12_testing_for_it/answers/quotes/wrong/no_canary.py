import asyncio

import httpx


async def test_they_meet(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        requests = [asyncio.create_task(client.get(f"/quotes/{i}")) for i in range(4)]
        await supplier.arrived(4)
        await supplier.release()
        for request in requests:
            assert (await request).status_code == 200
