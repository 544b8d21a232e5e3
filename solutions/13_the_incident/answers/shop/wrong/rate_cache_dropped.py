# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- rate: fetched once for each currency, then cached


@app.get("/rates/{token}")
async def rate(token: str):
    answer = await app.state.http.get(f"/items/{token}")
    return {"currency": token, "rate": answer.json()["price"]}
