import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    reading = asyncio.create_task(process.communicate())
    done, _ = await asyncio.wait({reading}, timeout=patience)
    if not done:
        process.terminate()
        await reading
        return {"item": token, "late": True}
    output, _ = reading.result()
    return {"item": token, "price": int(output)}
