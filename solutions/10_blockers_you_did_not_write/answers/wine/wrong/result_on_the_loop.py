import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=16)


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    def bottles(self) -> int:
        asked = pool.submit(requests.get, f"{UPSTREAM}/items/{self.wine}", timeout=30)
        return asked.result().json()["price"]


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return Wine(wine=token)
