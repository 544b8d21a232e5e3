import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()
cleaning = set()


async def clean_up(process):
    await asyncio.sleep(30)
    process.kill()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), patience)
    except TimeoutError:
        task = asyncio.create_task(clean_up(process))
        cleaning.add(task)
        task.add_done_callback(cleaning.discard)
        return {"item": token, "late": True}
    return {"item": token, "price": int(output)}
