import os

import requests
from fastapi import FastAPI
from pydantic import BaseModel, Field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def bottles_of(data):
    return requests.get(f"{UPSTREAM}/items/{data['wine']}", timeout=30).json()["price"]


class Wine(BaseModel):
    wine: str
    bottles: int = Field(default_factory=bottles_of)


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return {"wine": token}
