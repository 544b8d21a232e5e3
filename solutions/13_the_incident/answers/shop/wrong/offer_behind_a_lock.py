# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- offer: the price of an item, which the supplier knows, over HTTP


door = asyncio.Lock()


@app.get("/offers/{token}")
async def offer(token: str):
    async with door:
        answer = await app.state.http.get(f"/items/{token}")
    return {"item": token, "offer": answer.json()["price"]}
