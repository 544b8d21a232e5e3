import asyncio

from fastapi import FastAPI

app = FastAPI()
waiting = []


async def ask_supplier_for_all():
    await asyncio.sleep(0.01)  # a moment in which others can join
    batch = waiting[:]
    waiting.clear()
    await asyncio.sleep(max(wait for wait, _ in batch))
    for _, done in batch:
        done.set()


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    done = asyncio.Event()
    waiting.append((wait, done))
    if len(waiting) == 1:
        app.state.batch = asyncio.create_task(ask_supplier_for_all())
    await done.wait()
    return {"item": item, "supplier": "north"}
