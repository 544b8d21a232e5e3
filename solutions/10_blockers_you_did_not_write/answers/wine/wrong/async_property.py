import os

import httpx
from fastapi import FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(base_url=UPSTREAM, timeout=60)


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    async def bottles(self) -> int:
        return (await client.get(f"/items/{self.wine}")).json()["price"]


@app.get("/wines/{token}")
async def wine(token: str) -> Wine:
    return Wine(wine=token)
