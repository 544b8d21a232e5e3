import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


class Recognise:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and (guest := Request(scope).query_params.get("guest")):
            answer = await scope["app"].state.client.get(f"/items/{guest}")
            scope.setdefault("state", {})["points"] = answer.json()["price"]
        await self.app(scope, receive, send)


app.add_middleware(Recognise)


@app.get("/tables")
async def tables(request: Request, guest: str):
    return {"guest": guest, "points": request.state.points}
