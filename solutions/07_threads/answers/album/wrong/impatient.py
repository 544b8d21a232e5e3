import asyncio

from fastapi import FastAPI, HTTPException

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    try:
        async with asyncio.timeout(1):
            pages = [await asyncio.to_thread(thumbnail, f"{token}-{number}") for number in (1, 2)]
    except TimeoutError:
        raise HTTPException(504, "the pictures take too long") from None
    return {"album": token, "pages": pages}
