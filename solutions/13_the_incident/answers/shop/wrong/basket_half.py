# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- basket: the supplier's prices for the two items of a basket


@app.get("/baskets/{token}")
async def basket(token: str, request: Request):
    answer = await request.app.state.http.get(f"/items/{token}-1")
    return {"basket": token, "total": 2 * answer.json()["price"]}
