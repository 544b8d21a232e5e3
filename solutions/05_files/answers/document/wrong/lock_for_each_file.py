import os
import threading
from collections import defaultdict

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()
locks = defaultdict(threading.Lock)


@app.get("/documents/{token}")
def document(token: str):
    with locks[token], open(f"{DOCUMENTS}/{token}") as file:
        return {"document": token, "number": int(file.read())}
