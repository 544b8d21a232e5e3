import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/tours/{token}")
async def tour(token: str):
    processes = [
        await asyncio.create_subprocess_exec(PRICE, f"{token}-{i}", stdout=asyncio.subprocess.PIPE)
        for i in (1, 2)
    ]
    first, second = [int((await process.communicate())[0]) for process in processes]
    return {"tour": token, "total": first + second}
