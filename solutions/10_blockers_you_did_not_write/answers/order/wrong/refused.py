import os

import requests
from fastapi import BackgroundTasks, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}", status_code=202)
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
