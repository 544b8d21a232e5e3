import asyncio
import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]


async def price(item):
    process = await asyncio.create_subprocess_exec(PRICE, item, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return int(output)


app = FastAPI()


@app.get("/tours/{token}")
async def tour(token: str):
    other = asyncio.create_task(price(f"{token}-1"))
    await asyncio.sleep(0)
    second = int(subprocess.check_output([PRICE, f"{token}-2"]))
    first = await other
    return {"tour": token, "total": first + second}
