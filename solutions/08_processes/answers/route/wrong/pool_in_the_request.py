import asyncio
from concurrent.futures import ProcessPoolExecutor

from fastapi import FastAPI

from workshop import route

app = FastAPI()


@app.get("/routes/{token}")
async def way(token: str):
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(max_workers=1) as pool:
        future = loop.run_in_executor(pool, route, token)
    number = await future
    return {"route": token, "number": number}
