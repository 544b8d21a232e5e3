import os

import httpx
from fastapi import FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address):
        self.client = httpx.Client(base_url=address, timeout=30)

    async def price(self, item):
        return self.client.get(f"/items/{item}").json()["price"]


supplier = Supplier(os.environ["UPSTREAM_URL"])


@app.get("/labels/{token}")
async def label(token: str):
    return {"label": token, "price": await supplier.price(token)}
