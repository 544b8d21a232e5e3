import threading
from collections import defaultdict

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
locks = defaultdict(threading.Lock)


@app.get("/pictures/{token}")
def picture(token: str):
    with locks[token]:
        number = thumbnail(token)
    return {"picture": token, "thumbnail": number}
