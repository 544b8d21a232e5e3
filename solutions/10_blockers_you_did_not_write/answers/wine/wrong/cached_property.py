import os
from functools import cached_property

import requests
from fastapi import FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str

    @computed_field
    @cached_property
    def bottles(self) -> int:
        return requests.get(f"{UPSTREAM}/items/{self.wine}", timeout=30).json()["price"]


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return Wine(wine=token)
