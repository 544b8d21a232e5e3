"""Incorrect: it blocks the loop while it waits for the supplier."""

import os

import requests
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    response = requests.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
