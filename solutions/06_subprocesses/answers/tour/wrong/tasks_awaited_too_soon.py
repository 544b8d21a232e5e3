import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]


async def price(item):
    process = await asyncio.create_subprocess_exec(PRICE, item, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return int(output)


app = FastAPI()


@app.get("/tours/{token}")
async def tour(token: str):
    first = await asyncio.create_task(price(f"{token}-1"))
    second = await asyncio.create_task(price(f"{token}-2"))
    return {"tour": token, "total": first + second}
