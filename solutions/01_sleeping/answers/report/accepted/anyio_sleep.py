import anyio
from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await anyio.sleep(wait)
    return {"report": number, "status": "ready"}
