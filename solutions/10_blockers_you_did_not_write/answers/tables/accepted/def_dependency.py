import os

import requests
from fastapi import Depends, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def points_of(guest: str):
    return requests.get(f"{UPSTREAM}/items/{guest}").json()["price"]


@app.get("/tables")
async def tables(guest: str, points: int = Depends(points_of)):
    return {"guest": guest, "points": points}
