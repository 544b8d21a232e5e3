import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float, later: BackgroundTasks):
    later.add_task(time.sleep, wait)
    return {"report": number, "status": "ready"}
