# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


async def points_of(card: str):
    return requests.get(f"{SUPPLIER}/items/{card}").json()["price"]


@app.get("/members")
async def member(card: str, points: int = Depends(points_of)):
    return {"card": card, "points": points}
