import os
import threading

from fastapi import FastAPI
from redis import Redis

app, lock = FastAPI(), threading.Lock()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


def count(what):
    with lock:
        numbers[what] += 1


@app.post("/parcels/{token}")
def parcel(token: str):
    count("asked")
    client.rpush("jobs", token)
    _, grams = client.blpop([f"reply:{token}"], timeout=30)
    count("weighed")
    return {"parcel": token, "grams": int(grams)}
