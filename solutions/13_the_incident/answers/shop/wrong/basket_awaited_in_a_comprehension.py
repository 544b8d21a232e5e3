# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- basket: the supplier's prices for the two items of a basket


@app.get("/baskets/{token}")
async def basket(token: str, request: Request):
    answers = [await request.app.state.http.get(f"/items/{token}-{i}") for i in (1, 2)]
    return {"basket": token, "total": sum(answer.json()["price"] for answer in answers)}
