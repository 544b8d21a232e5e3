import asyncio
import secrets

import httpx


async def test_side_by_side(url, supplier):
    """Four requests are under way at one moment, the loop still answers others, and everyone gets their own answer."""
    tokens = [secrets.token_hex(4) for _ in range(4)]
    await supplier.hold()
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        requests = [asyncio.create_task(client.get(f"/quotes/{token}")) for token in tokens]
        arrived = await supplier.arrived(4)
        assert sorted(arrived) == sorted(tokens)
        canary = await client.get("/health")
        assert canary.json() == {"ok": True}
        await supplier.release()
        for token, request in zip(tokens, requests, strict=True):
            answer = await request
            assert answer.json() == {"item": token, "price": await supplier.price(token)}
