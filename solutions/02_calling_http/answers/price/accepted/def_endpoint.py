import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
def price(token: str):
    return requests.get(f"{UPSTREAM}/items/{token}", timeout=30).json()
