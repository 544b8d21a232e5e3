# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- stock: how many are left, from the database, through the shared pool


def open_pool():
    return asyncpg.create_pool(DATABASE, min_size=1, max_size=20)


held = asyncio.Lock()


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    async with held:
        left = await request.app.state.pool.fetchval("SELECT price_of($1)", token)
    return {"item": token, "left": left}
