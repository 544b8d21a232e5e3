import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx


def test_with_threads(url, supplier):
    tokens = ["tea", "coffee", "milk", "juice"]
    asyncio.run(supplier.hold())
    with ThreadPoolExecutor(4) as pool:
        jobs = {token: pool.submit(httpx.get, f"{url}/quotes/{token}", timeout=15) for token in tokens}
        try:
            asyncio.run(supplier.arrived(4))
            assert httpx.get(f"{url}/health", timeout=8).json() == {"ok": True}
        finally:
            asyncio.run(supplier.release())
        for token, job in jobs.items():
            assert job.result().json()["item"] == token
