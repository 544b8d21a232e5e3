import os

import requests
from fastapi import FastAPI
from pydantic import BaseModel, model_validator

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str
    bottles: int = 0

    @model_validator(mode="after")
    def count(self):
        self.bottles = requests.get(f"{UPSTREAM}/items/{self.wine}", timeout=30).json()["price"]
        return self


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return {"wine": token}
