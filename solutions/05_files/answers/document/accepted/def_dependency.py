import os
from pathlib import Path

from fastapi import Depends, FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]


def contents(token: str):
    return Path(DOCUMENTS, token).read_text()


app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str, text: str = Depends(contents)):
    return {"document": token, "number": int(text)}
