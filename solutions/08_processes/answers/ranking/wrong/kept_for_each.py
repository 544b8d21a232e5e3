from functools import lru_cache

from fastapi import FastAPI

from workshop import ranking

app = FastAPI()


@app.get("/rankings/{token}")
@lru_cache(maxsize=10_000)
def rank(token: str):
    number = ranking(token)
    return {"ranking": token, "number": number}
