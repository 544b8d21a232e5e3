import os
from functools import lru_cache

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
@lru_cache(maxsize=10_000)
def document(token: str):
    with open(f"{DOCUMENTS}/{token}") as file:
        text = file.read()
    return {"document": token, "number": int(text)}
