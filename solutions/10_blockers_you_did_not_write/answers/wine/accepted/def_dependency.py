import os
from typing import Annotated

import requests
from fastapi import Depends, FastAPI
from pydantic import BaseModel

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str
    bottles: int


def bottles_of(token: str):
    return requests.get(f"{UPSTREAM}/items/{token}", timeout=30).json()["price"]


@app.get("/wines/{token}")
async def wine(token: str, bottles: Annotated[int, Depends(bottles_of)]) -> Wine:
    return Wine(wine=token, bottles=bottles)
