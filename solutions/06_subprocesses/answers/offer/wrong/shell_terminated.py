import asyncio
import os
import shlex

from fastapi import FastAPI

PRICE = shlex.quote(os.environ["PRICE_COMMAND"])
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    command = f"{PRICE} {shlex.quote(token)} | tail -n 1"
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(patience):
            output, _ = await process.communicate()
    except TimeoutError:
        process.terminate()
        return {"item": token, "late": True}
    return {"item": token, "price": int(output)}
