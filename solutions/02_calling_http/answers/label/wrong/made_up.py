import asyncio

from fastapi import FastAPI

app = FastAPI()


class Supplier:
    async def price(self, item):
        await asyncio.sleep(0.1)
        return 42


supplier = Supplier()


@app.get("/labels/{token}")
async def label(token: str):
    return {"label": token, "price": await supplier.price(token)}
