import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/tours/{token}")
async def tour(token: str):
    line = f"{PRICE} {token}-1 & {PRICE} {token}-2; wait"
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    first, second = map(int, output.split())
    return {"tour": token, "total": first + second}
