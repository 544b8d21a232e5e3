from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


async def draw(token):
    return thumbnail(token)


@app.get("/pictures/{token}")
async def picture(token: str):
    number = await draw(token)
    return {"picture": token, "thumbnail": number}
