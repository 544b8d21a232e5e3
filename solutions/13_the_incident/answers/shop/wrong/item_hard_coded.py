# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- item: the price in the database


@app.get("/items/{token}")
async def item(token: str):
    return {"item": token, "price": 42}
