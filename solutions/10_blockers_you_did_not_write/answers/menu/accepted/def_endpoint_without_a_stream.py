import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


@app.get("/menus/{token}")
def menu(token: str):
    return {"menu": token, "price": int((DOCUMENTS / token).read_text())}
