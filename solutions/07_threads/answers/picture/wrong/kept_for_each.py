from functools import lru_cache

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
@lru_cache(maxsize=10_000)
def picture(token: str):
    number = thumbnail(token)
    return {"picture": token, "thumbnail": number}
