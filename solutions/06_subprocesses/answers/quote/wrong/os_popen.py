import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    with os.popen(f"{PRICE} {token}") as pipe:
        output = pipe.read()
    return {"item": token, "price": int(output)}
