import os

import httpx
from fastapi import FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.Client(base_url=UPSTREAM, timeout=60)


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    def bottles(self) -> int:
        return client.get(f"/items/{self.wine}").json()["price"]


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return Wine(wine=token)
