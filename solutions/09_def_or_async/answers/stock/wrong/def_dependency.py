import os
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
client = httpx.Client(timeout=60)
app = FastAPI()


def stock_of(token: str):
    return client.get(f"{SUPPLIER}/items/{token}").json()["price"]


@app.get("/stock/{token}")
async def stock(token: str, left: Annotated[int, Depends(stock_of)]):
    return {"item": token, "stock": left}
