import os

from fastapi import Depends, FastAPI
from redis import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def counted():
    numbers["asked"] += 1
    yield
    numbers["weighed"] += 1


@app.post("/parcels/{token}", dependencies=[Depends(counted)])
async def parcel(token: str):
    client.rpush("jobs", token)
    _, grams = client.blpop([f"reply:{token}"], timeout=30)
    return {"parcel": token, "grams": int(grams)}
