"""An async dependency that blocks."""

import json
import os
from typing import Annotated
from urllib.request import urlopen

from fastapi import Depends, FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()


async def price(token: str):
    with urlopen(f"{SUPPLIER}/items/{token}") as response:
        return json.load(response)["price"]


@app.get("/quotes/{token}")
async def quote(token: str, price: Annotated[int, Depends(price)]):
    return {"item": token, "price": price}


@app.get("/health")
async def health():
    return {"ok": True}
