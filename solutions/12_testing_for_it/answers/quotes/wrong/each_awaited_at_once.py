import httpx


async def test_one_by_one(url, supplier):
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=3) as client:
        for i in range(4):
            await client.get(f"/quotes/{i}")
    await supplier.arrived(4)
