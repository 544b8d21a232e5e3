import os
from functools import cache

import httpx
from fastapi import Depends, FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


@cache
def get_supplier():
    return Supplier(os.environ["UPSTREAM_URL"])


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
