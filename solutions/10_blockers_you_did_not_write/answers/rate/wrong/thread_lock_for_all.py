import os
import threading

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
rates = {}
door = threading.Lock()


def rate_of(token):
    with door:
        if token not in rates:
            rates[token] = requests.get(f"{UPSTREAM}/items/{token}").json()["price"]
    return rates[token]


@app.get("/rates/{token}")
def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}
