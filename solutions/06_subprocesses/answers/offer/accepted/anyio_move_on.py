import os

import anyio
from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    with anyio.move_on_after(patience):
        done = await anyio.run_process([PRICE, token])
        return {"item": token, "price": int(done.stdout)}
    return {"item": token, "late": True}
