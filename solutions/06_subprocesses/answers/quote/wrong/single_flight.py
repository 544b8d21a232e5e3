import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()
under_way = {}


async def price_of(token):
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return int(output)


@app.get("/quotes/{token}")
async def quote(token: str):
    if token not in under_way:
        under_way[token] = asyncio.create_task(price_of(token))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return {"item": token, "price": await asyncio.shield(under_way[token])}
