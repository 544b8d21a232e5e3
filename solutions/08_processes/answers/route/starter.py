import asyncio

from fastapi import FastAPI

from workshop import route

app = FastAPI()


@app.get("/routes/{token}")
async def way(token: str):
    number = await asyncio.to_thread(route, token)
    return {"route": token, "number": number}
