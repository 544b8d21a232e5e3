import os
from contextlib import asynccontextmanager

import httpx
from fastapi import Depends, FastAPI, Request


class Supplier:
    def __init__(self, address):
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


@asynccontextmanager
async def lifespan(app):
    app.state.supplier = Supplier(os.environ["UPSTREAM_URL"])
    async with app.state.supplier.client:
        yield


app = FastAPI()


async def get_supplier(request: Request):
    return request.app.state.supplier


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
