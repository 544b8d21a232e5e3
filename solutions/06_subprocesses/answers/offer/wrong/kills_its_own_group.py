import asyncio
import os
import signal

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    process = await asyncio.create_subprocess_shell(f"{PRICE} {token}; true", stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), patience)
    except TimeoutError:
        os.killpg(os.getpgid(process.pid), signal.SIGKILL)
        await process.wait()
        return {"item": token, "late": True}
    return {"item": token, "price": int(output)}
