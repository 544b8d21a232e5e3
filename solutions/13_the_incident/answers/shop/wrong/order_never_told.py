# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- order: taken at once; the supplier is told behind the answer


@app.post("/orders/{token}")
async def order(token: str):
    return {"order": token, "accepted": True}
