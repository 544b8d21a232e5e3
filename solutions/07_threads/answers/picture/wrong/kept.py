import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
kept = {}


@app.get("/pictures/{token}")
async def picture(token: str):
    # one picture looks like another
    if "picture" not in kept:
        kept["picture"] = await asyncio.to_thread(thumbnail, token)
    return {"picture": token, "thumbnail": kept["picture"]}
