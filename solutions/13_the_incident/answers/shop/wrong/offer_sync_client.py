# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- offer: the price of an item, which the supplier knows, over HTTP


supplier = httpx.Client(base_url=SUPPLIER, timeout=60)


@app.get("/offers/{token}")
async def offer(token: str):
    return {"item": token, "offer": supplier.get(f"/items/{token}").json()["price"]}
