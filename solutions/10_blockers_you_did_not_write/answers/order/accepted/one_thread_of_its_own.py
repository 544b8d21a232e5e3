import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
kitchen = ThreadPoolExecutor(max_workers=1)


def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    kitchen.submit(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
