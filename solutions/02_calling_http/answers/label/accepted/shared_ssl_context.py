import os
import ssl

import httpx
from fastapi import Depends, FastAPI

app = FastAPI()
CERTIFICATES = ssl.create_default_context()  # read and parsed once, for all clients


class Supplier:
    def __init__(self, address):
        self.client = httpx.AsyncClient(base_url=address, timeout=30, verify=CERTIFICATES)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


async def get_supplier():
    supplier = Supplier(os.environ["UPSTREAM_URL"])
    async with supplier.client:
        yield supplier


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
