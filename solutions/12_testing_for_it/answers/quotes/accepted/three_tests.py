import asyncio

import httpx


async def ask(client, tokens):
    return [asyncio.create_task(client.get(f"/quotes/{token}")) for token in tokens]


async def test_all_arrive(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        tasks = await ask(client, "abcd")
        await supplier.arrived(4, limit=6)
        await supplier.release()
        await asyncio.gather(*tasks)


async def test_a_canary_overtakes(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        tasks = await ask(client, "efgh")
        await supplier.arrived(4, limit=6)
        canary = asyncio.create_task(client.get("/health"))
        await asyncio.wait([canary, *tasks], return_when=asyncio.FIRST_COMPLETED, timeout=6)
        assert canary.done() and not any(task.done() for task in tasks)
        await supplier.release()
        await asyncio.gather(*tasks)


async def test_answers_are_not_mixed_up(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        tasks = await ask(client, "ijkl")
        await supplier.arrived(4, limit=6)
        await supplier.release()
        assert [(await task).json()["item"] for task in tasks] == list("ijkl")
