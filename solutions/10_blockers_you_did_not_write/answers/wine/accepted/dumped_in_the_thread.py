import os

import requests
from fastapi import FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    def bottles(self) -> int:
        return requests.get(f"{UPSTREAM}/items/{self.wine}", timeout=30).json()["price"]


@app.get("/wines/{token}")
def wine(token: str):
    return Wine(wine=token).model_dump()
