import os

import requests
from fastapi import Depends, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def points_of(guest):
    return requests.get(f"{UPSTREAM}/items/{guest}").json()["price"]


async def points(guest: str):
    return points_of(guest)


@app.get("/tables")
async def tables(guest: str, points: int = Depends(points)):
    return {"guest": guest, "points": points}
