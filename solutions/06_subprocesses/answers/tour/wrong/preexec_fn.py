import asyncio
import os
import time
from functools import partial

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


async def price(item):
    process = await asyncio.create_subprocess_exec(
        PRICE, item, stdout=asyncio.subprocess.PIPE, preexec_fn=partial(time.sleep, 0.1)
    )
    output, _ = await process.communicate()
    return int(output)


@app.get("/tours/{token}")
async def tour(token: str):
    return {"tour": token, "total": sum(await asyncio.gather(price(f"{token}-1"), price(f"{token}-2")))}
