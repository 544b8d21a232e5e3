import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    text = Path(DOCUMENTS, token).read_text()
    return {"document": token, "number": int(text)}
