import anyio
import anyio.to_thread
from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    number = await anyio.to_thread.run_sync(thumbnail, token)
    return {"picture": token, "thumbnail": number}
