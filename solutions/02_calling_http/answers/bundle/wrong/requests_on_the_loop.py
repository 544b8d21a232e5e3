import os

import requests
from fastapi import FastAPI

app = FastAPI()


@app.get("/bundles/{token}")
async def bundle(token: str):
    total = 0
    for number in (1, 2):
        reply = requests.get(f"{os.environ['UPSTREAM_URL']}/items/{token}-{number}", timeout=30)
        if reply.status_code != 200:
            return {"bundle": token, "unavailable": True}
        total += reply.json()["price"]
    return {"bundle": token, "total": total}
