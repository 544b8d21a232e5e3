from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    return {"album": token, "pages": [42, 42]}
