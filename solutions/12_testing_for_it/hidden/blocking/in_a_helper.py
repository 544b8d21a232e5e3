"""A blocking client, two calls down."""

import os

import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()


def price(token):
    return ask("items", token)["price"]


def ask(*path):
    return httpx.get("/".join([SUPPLIER, *path]), timeout=None, trust_env=False).json()


@app.get("/quotes/{token}")
async def quote(token: str):
    return {"item": token, "price": price(token)}


@app.get("/health")
async def health():
    return {"ok": True}
