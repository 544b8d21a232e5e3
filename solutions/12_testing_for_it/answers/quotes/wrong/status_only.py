import httpx


async def test_status(url):
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for i in range(4):
            response = await client.get(f"/quotes/{i}")
            assert response.status_code == 200
