import asyncio
import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from fastapi import FastAPI


class Catalogue:
    """A supplier's library, as it comes.  It knows no await, and there is no other."""

    def __init__(self, url):
        self.host = urlsplit(url).netloc

    def price(self, token):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request("GET", f"/items/{token}")
            return json.load(connection.getresponse())["price"]
        finally:
            connection.close()


catalogue = Catalogue(os.environ["UPSTREAM_URL"])
pool = ThreadPoolExecutor(1)
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    price = await asyncio.get_running_loop().run_in_executor(pool, catalogue.price, token)
    return {"item": token, "price": price}
