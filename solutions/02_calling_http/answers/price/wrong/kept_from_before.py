import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)
kept = {}


@app.get("/prices/{token}")
async def price(token: str):
    if "reply" not in kept:
        kept["reply"] = (await client.get(f"{UPSTREAM}/items/{token}")).json()
    return {"item": token, "price": kept["reply"]["price"]}
