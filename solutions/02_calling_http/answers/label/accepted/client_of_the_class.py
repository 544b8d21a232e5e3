import os

import httpx
from fastapi import Depends, FastAPI

app = FastAPI()


class Supplier:
    client = httpx.AsyncClient(base_url=os.environ["UPSTREAM_URL"], timeout=30)

    async def price(self, item):
        return (await self.client.get(f"/items/{item}")).json()["price"]


@app.get("/labels/{token}")
async def label(token: str, supplier: Supplier = Depends()):
    return {"label": token, "price": await supplier.price(token)}
