from typing import Annotated

from fastapi import Depends, FastAPI

from workshop import thumbnail

app = FastAPI()


def drawn(token: str):
    return thumbnail(token)


@app.get("/pictures/{token}")
async def picture(token: str, number: Annotated[int, Depends(drawn)]):
    return {"picture": token, "thumbnail": number}
