import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(patience):
            output, _ = await process.communicate()
    except TimeoutError:
        return {"item": token, "late": True}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return {"item": token, "price": int(output)}
