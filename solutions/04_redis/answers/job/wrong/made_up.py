import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.post("/jobs/{token}")
async def job(token: str):
    await asyncio.sleep(0.1)
    return {"job": token, "result": 42}
