import asyncio
from concurrent.futures import ProcessPoolExecutor

from fastapi import FastAPI

from workshop import ranking

app = FastAPI()


@app.get("/rankings/{token}")
async def rank(token: str):
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(max_workers=1) as pool:
        future = loop.run_in_executor(pool, ranking, token)
    number = await future
    return {"ranking": token, "number": number}
