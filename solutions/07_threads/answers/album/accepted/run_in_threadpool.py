from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from workshop import thumbnail

app = FastAPI()


def make_pages(token):
    return [thumbnail(f"{token}-{number}") for number in (1, 2)]


@app.get("/albums/{token}")
async def album(token: str):
    return {"album": token, "pages": await run_in_threadpool(make_pages, token)}
