import os

import anyio
from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    done = await anyio.run_process([PRICE, token])
    output = done.stdout
    return {"item": token, "price": int(output)}
