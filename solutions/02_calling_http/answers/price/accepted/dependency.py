import os

import httpx
from fastapi import Depends, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


shared = httpx.AsyncClient(timeout=30)


async def get_client():
    return shared


app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str, client=Depends(get_client)):
    reply = await client.get(f"{UPSTREAM}/items/{token}")
    return reply.json()
