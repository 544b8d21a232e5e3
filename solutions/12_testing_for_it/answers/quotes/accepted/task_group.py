import asyncio

import httpx


async def test_four_in_a_task_group(url, supplier):
    async with httpx.AsyncClient(base_url=url, timeout=12) as client:
        await supplier.hold()
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(client.get(f"/quotes/book{n}")) for n in range(4)]
            await supplier.arrived(4, limit=8)
            assert (await client.get("/health")).status_code == 200
            await supplier.release()
        for n, task in enumerate(asked):
            assert task.result().json() == {"item": f"book{n}", "price": await supplier.price(f"book{n}")}
