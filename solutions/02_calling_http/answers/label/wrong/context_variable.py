import os
from contextvars import ContextVar

import httpx
from fastapi import Depends, FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


current = ContextVar("supplier", default=None)


async def get_supplier():
    if current.get() is None:
        current.set(Supplier(os.environ["UPSTREAM_URL"]))
    return current.get()


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
