import os

import requests
from fastapi import FastAPI
from pydantic import BaseModel, field_serializer

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str

    bottles: int = 0

    @field_serializer("bottles")
    def count(self, _: int) -> int:
        return requests.get(f"{UPSTREAM}/items/{self.wine}", timeout=30).json()["price"]


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return Wine(wine=token)
