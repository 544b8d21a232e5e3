import os

import anyio
from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    text = await anyio.Path(DOCUMENTS, token).read_text()
    return {"document": token, "number": int(text)}
