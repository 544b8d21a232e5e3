import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return {"item": token, "price": int(output)}
