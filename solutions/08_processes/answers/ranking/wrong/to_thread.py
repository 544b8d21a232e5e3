import asyncio

from fastapi import FastAPI

from workshop import ranking

app = FastAPI()


@app.get("/rankings/{token}")
async def rank(token: str):
    number = await asyncio.to_thread(ranking, token)
    return {"ranking": token, "number": number}
