import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    await asyncio.sleep(0.1)
    return {"item": token, "price": 42}
