from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
def album(token: str):
    return {"album": token, "pages": [thumbnail(f"{token}-1"), thumbnail(f"{token}-2")]}
