import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

from fastapi import FastAPI


class Catalogue:
    """A supplier's library, as it comes.  It knows no await, and there is no other."""

    def __init__(self, url):
        self.url = url

    def price(self, token):
        with urlopen(f"{self.url}/items/{token}", timeout=60) as reply:
            return json.load(reply)["price"]


catalogue = Catalogue(os.environ["UPSTREAM_URL"])
pool = ThreadPoolExecutor(2)
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    price = await asyncio.get_running_loop().run_in_executor(pool, catalogue.price, token)
    return {"item": token, "price": price}
