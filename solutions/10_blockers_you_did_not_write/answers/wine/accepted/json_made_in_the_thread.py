import os

import requests
from fastapi import FastAPI, Response
from pydantic import BaseModel, computed_field

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str

    @computed_field
    @property
    def bottles(self) -> int:
        return requests.get(f"{UPSTREAM}/items/{self.wine}", timeout=30).json()["price"]


@app.get("/wines/{token}")
def wine(token: str):
    return Response(Wine(wine=token).model_dump_json(), media_type="application/json")
