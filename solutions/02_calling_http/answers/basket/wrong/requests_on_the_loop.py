import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/baskets/{token}")
async def basket(token: str):
    replies = [requests.get(f"{UPSTREAM}/items/{token}-{i}", timeout=30) for i in (1, 2)]
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
