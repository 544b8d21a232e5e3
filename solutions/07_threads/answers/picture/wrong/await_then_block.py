import asyncio
import hashlib

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    number = await asyncio.to_thread(thumbnail, token)
    hashlib.pbkdf2_hmac("sha256", b"sign", b"it", 300_000)
    return {"picture": token, "thumbnail": number}
