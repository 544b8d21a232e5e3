import os

import httpx
from fastapi import FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


@app.get("/labels/{token}")
async def label(token: str):
    supplier = Supplier(os.environ["UPSTREAM_URL"])
    async with supplier.client:
        return {"label": token, "price": await supplier.price(token)}
