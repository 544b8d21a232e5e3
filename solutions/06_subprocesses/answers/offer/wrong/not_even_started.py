import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    if patience < 30:
        await asyncio.sleep(patience)
        return {"item": token, "late": True}
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return {"item": token, "price": int(output)}
