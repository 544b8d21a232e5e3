import os

import httpx
from fastapi import FastAPI, Request

app = FastAPI()
client = httpx.Client(base_url=os.environ["UPSTREAM_URL"], timeout=60)


@app.middleware("http")
async def recognise(request: Request, call_next):
    if guest := request.query_params.get("guest"):
        request.state.points = client.get(f"/items/{guest}").json()["price"]
    return await call_next(request)


@app.get("/tables")
async def tables(request: Request, guest: str):
    return {"guest": guest, "points": request.state.points}
