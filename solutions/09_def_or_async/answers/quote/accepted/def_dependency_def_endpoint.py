import http.client
import json
import os
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI


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
app = FastAPI()


def price_of(token: str):
    return catalogue.price(token)


@app.get("/quotes/{token}")
def quote(token: str, price: Annotated[int, Depends(price_of)]):
    return {"item": token, "price": price}
