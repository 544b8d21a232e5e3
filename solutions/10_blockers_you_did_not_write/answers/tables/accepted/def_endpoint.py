import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def points_of(guest):
    return requests.get(f"{UPSTREAM}/items/{guest}").json()["price"]


@app.get("/tables")
def tables(guest: str):
    return {"guest": guest, "points": points_of(guest)}
