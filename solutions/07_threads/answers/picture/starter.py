from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    number = thumbnail(token)
    return {"picture": token, "thumbnail": number}
