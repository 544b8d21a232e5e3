from anyio.lowlevel import checkpoint
from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    pages = []
    for number in (1, 2):
        pages.append(thumbnail(f"{token}-{number}"))
        await checkpoint()  # so that other requests get a turn
    return {"album": token, "pages": pages}
