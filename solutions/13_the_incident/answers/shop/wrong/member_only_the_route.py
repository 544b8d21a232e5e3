# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


@app.middleware("http")
async def recognise(request: Request, call_next):
    if card := request.query_params.get("card"):
        request.state.points = requests.get(f"{SUPPLIER}/items/{card}").json()["price"]
    return await call_next(request)


@app.get("/members")
def member(card: str, request: Request):
    return {"card": card, "points": request.state.points}
