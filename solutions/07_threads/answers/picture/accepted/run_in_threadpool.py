from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    number = await run_in_threadpool(thumbnail, token)
    return {"picture": token, "thumbnail": number}
