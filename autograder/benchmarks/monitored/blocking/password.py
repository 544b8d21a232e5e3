"""A password is hashed on the loop."""

import bcrypt
from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    return {"hash": bcrypt.hashpw(b"tea", bcrypt.gensalt(11)).decode()}  # blocks
