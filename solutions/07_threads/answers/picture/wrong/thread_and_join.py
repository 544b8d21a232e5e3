import threading

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    found = []
    thread = threading.Thread(target=lambda: found.append(thumbnail(token)))
    thread.start()
    thread.join()
    return {"picture": token, "thumbnail": found[0]}
