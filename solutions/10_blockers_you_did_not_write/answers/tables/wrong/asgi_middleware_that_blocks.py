import os

import requests
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def points_of(guest):
    return requests.get(f"{UPSTREAM}/items/{guest}").json()["price"]


class Recognise:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and (guest := Request(scope).query_params.get("guest")):
            scope.setdefault("state", {})["points"] = points_of(guest)
        await self.app(scope, receive, send)


app.add_middleware(Recognise)


@app.get("/tables")
async def tables(request: Request, guest: str):
    return {"guest": guest, "points": request.state.points}
