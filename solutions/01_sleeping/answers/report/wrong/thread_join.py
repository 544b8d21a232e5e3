import threading
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    thread = threading.Thread(target=time.sleep, args=(wait,))
    thread.start()
    thread.join()
    return {"report": number, "status": "ready"}
