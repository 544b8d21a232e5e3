import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()
places = asyncio.Semaphore(4)


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    await places.acquire()
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), patience)
    except TimeoutError:
        process.kill()
        await process.wait()
        return {"item": token, "late": True}
    places.release()
    return {"item": token, "price": int(output)}
