import os
from typing import Annotated

import requests
from fastapi import Depends, FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    def bottles(self) -> int:
        return requests.get(f"{UPSTREAM}/items/{self.wine}", timeout=30).json()["price"]


def find(token: str):
    return Wine(wine=token)


@app.get("/wines/{token}")
async def wine(found: Annotated[Wine, Depends(find)]) -> Wine:
    return found
