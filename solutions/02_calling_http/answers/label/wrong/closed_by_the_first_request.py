import os

import httpx
from fastapi import Depends, FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


supplier = Supplier(os.environ["UPSTREAM_URL"])


async def get_supplier():
    yield supplier
    await supplier.client.aclose()


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
