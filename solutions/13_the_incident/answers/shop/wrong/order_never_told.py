# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- order: accepted at once; the supplier is informed after the response


@app.post("/orders/{token}")
async def order(token: str):
    return {"order": token, "accepted": True}
