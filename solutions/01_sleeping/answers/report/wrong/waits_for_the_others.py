import asyncio

from fastapi import FastAPI

app = FastAPI()
change = asyncio.Condition()
preparing = 0


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    # handed out only when no report is being prepared any more: a short one waits for all the long ones
    global preparing
    preparing += 1
    await asyncio.sleep(wait)
    async with change:
        preparing -= 1
        change.notify_all()
        await change.wait_for(lambda: preparing == 0)
    return {"report": number, "status": "ready"}
