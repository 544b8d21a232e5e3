# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- rate: fetched once for each currency, then cached


@lru_cache(maxsize=1000)
async def rate_of(token):
    return (await app.state.http.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": await rate_of(token)}
