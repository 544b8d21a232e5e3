import asyncio

from fastapi import FastAPI

from workshop import ranking

app = FastAPI()


def work(token):
    number = ranking(token)
    return number


@app.get("/rankings/{token}")
async def rank(token: str):
    number = await asyncio.to_thread(work, token)
    return {"ranking": token, "number": number}
