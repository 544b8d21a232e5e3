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
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(price(f"{token}-{i}")) for i in (1, 2)]
    first, second = (task.result() for task in tasks)
    return {"tour": token, "total": first + second}
