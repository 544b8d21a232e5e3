import asyncio

from fastapi import FastAPI

from workshop import route

app = FastAPI()


def work(token):
    number = route(token)
    return number


@app.get("/routes/{token}")
async def way(token: str):
    number = await asyncio.to_thread(work, token)
    return {"route": token, "number": number}
