import asyncio
import os

import httpx
from fastapi import FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


async def count(wine):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as client:
        return (await client.get(f"/items/{wine}")).json()["price"]


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    def bottles(self) -> int:
        return asyncio.run(count(self.wine))


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return Wine(wine=token)
