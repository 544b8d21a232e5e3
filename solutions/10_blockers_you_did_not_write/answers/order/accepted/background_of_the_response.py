import os

import requests
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    task = BackgroundTask(tell_the_kitchen, token)
    return JSONResponse({"order": token, "accepted": True}, background=task)
