import os

import requests
from fastapi import BackgroundTasks, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


async def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
