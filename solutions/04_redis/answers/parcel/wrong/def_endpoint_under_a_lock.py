import os
import threading

from fastapi import FastAPI
from redis import Redis

app, lock = FastAPI(), threading.Lock()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


@app.post("/parcels/{token}")
def parcel(token: str):
    with lock:
        numbers["asked"] += 1
        client.rpush("jobs", token)
        _, grams = client.blpop([f"reply:{token}"], timeout=30)
        numbers["weighed"] += 1
    return {"parcel": token, "grams": int(grams)}
