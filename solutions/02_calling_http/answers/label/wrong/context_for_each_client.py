import os
import ssl

import certifi
import httpx
from fastapi import Depends, FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        certificates = ssl.create_default_context(cafile=certifi.where())
        self.client = httpx.AsyncClient(base_url=address, timeout=30, verify=certificates)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


async def get_supplier():
    supplier = Supplier(os.environ["UPSTREAM_URL"])
    async with supplier.client:
        yield supplier


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
