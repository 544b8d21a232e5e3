import asyncio

from fastapi import Depends, FastAPI

app = FastAPI()
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def counted():
    numbers["asked"] += 1
    yield
    numbers["weighed"] += 1


@app.post("/parcels/{token}", dependencies=[Depends(counted)])
async def parcel(token: str):
    await asyncio.sleep(0.1)
    return {"parcel": token, "grams": 42}
