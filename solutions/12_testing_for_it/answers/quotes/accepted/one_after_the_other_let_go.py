import asyncio

import httpx


async def test_who_is_let_go_is_answered(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        tasks = {f"q{n}": asyncio.create_task(client.get(f"/quotes/q{n}")) for n in range(4)}
        waiting = await supplier.arrived(4)
        assert set(waiting) == set(tasks)
        for token in waiting:
            assert (await client.get("/health")).is_success
            await supplier.release(1)
            assert (await tasks[token]).json()["price"] == await supplier.price(token)
            assert (await tasks[token]).json()["item"] == token
