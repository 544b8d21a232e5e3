import json
import os

import httpcore
from fastapi import Depends, FastAPI

app = FastAPI()


class Supplier:
    def __init__(self, address, pool):
        self.address, self.pool = address, pool

    async def price(self, item):
        reply = await self.pool.request("GET", f"{self.address}/items/{item}")
        return json.loads(reply.content)["price"]


async def get_supplier():
    async with httpcore.AsyncConnectionPool() as pool:
        yield Supplier(os.environ["UPSTREAM_URL"], pool)


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends(get_supplier)):
    return {"label": token, "price": await supplier.price(token)}
