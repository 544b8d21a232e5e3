import os

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    file = os.open(f"{DOCUMENTS}/{token}", os.O_RDONLY)
    text = os.read(file, 1000)
    os.close(file)
    return {"document": token, "number": int(text)}
