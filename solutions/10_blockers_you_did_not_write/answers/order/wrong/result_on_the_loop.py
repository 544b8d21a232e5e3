import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import BackgroundTasks, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
kitchen = ThreadPoolExecutor(max_workers=20)


async def tell_the_kitchen(token):
    told = kitchen.submit(requests.get, f"{UPSTREAM}/items/{token}")
    told.result()


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
