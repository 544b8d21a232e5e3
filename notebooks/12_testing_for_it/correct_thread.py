"""Correct, and slow: it waits in a thread."""

import os
import time

import requests
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/quotes/{token}")
def quote(token: str):
    time.sleep(2)
    response = requests.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
