# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- member: whoever shows a card is recognised, in a middleware; the supplier knows the points


async def points_of(card: str):
    return requests.get(f"{SUPPLIER}/items/{card}").json()["price"]


@app.get("/members")
async def member(card: str, points: int = Depends(points_of)):
    return {"card": card, "points": points}
