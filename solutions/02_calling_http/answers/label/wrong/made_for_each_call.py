import os

import httpx
from fastapi import FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        self.address = address

    async def price(self, item):
        async with httpx.AsyncClient(base_url=self.address, timeout=30) as client:
            return (await client.get(f"/items/{item}")).json()["price"]


supplier = Supplier(os.environ["UPSTREAM_URL"])


@app.get("/labels/{token}")
async def label(token: str):
    return {"label": token, "price": await supplier.price(token)}
