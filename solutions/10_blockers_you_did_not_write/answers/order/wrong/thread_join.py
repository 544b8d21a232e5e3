import os
import threading

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    messenger = threading.Thread(target=tell_the_kitchen, args=[token])
    messenger.start()
    messenger.join()
    return {"order": token, "accepted": True}
