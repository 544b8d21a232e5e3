from typing import Annotated

from fastapi import Depends, FastAPI

from workshop import thumbnail

app = FastAPI()


def make_pages(token: str):
    return [thumbnail(f"{token}-{number}") for number in (1, 2)]


@app.get("/albums/{token}")
async def album(token: str, pages: Annotated[list[int], Depends(make_pages)]):
    return {"album": token, "pages": pages}
