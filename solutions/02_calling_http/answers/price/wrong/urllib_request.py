import json
import os
import urllib.request

from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    with urllib.request.urlopen(f"{UPSTREAM}/items/{token}", timeout=30) as reply:
        return json.load(reply)
