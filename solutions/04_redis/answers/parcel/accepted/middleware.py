import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


class Counting:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        counts = scope["type"] == "http" and scope["path"].startswith("/parcels/")
        numbers["asked"] += counts
        await self.app(scope, receive, send)
        numbers["weighed"] += counts


app.add_middleware(Counting)


@app.post("/parcels/{token}")
async def parcel(token: str):
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    return {"parcel": token, "grams": int(grams)}
