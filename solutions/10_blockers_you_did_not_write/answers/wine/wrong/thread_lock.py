import os
import threading

import requests
from fastapi import FastAPI
from pydantic import BaseModel

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
cellar = threading.Lock()


class Wine(BaseModel):
    wine: str
    bottles: int


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    with cellar:
        reply = requests.get(f"{UPSTREAM}/items/{token}", timeout=30)
    return Wine(wine=token, bottles=reply.json()["price"])
