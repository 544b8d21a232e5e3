# --- rate: fetched once for each currency, then cached


@lru_cache(maxsize=1000)
def rate_of(token):
    return requests.get(f"{SUPPLIER}/items/{token}").json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": await asyncio.to_thread(rate_of, token)}
