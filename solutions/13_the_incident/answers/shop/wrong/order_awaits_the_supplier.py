# --- order: taken at once; the supplier is told behind the answer


@app.post("/orders/{token}")
async def order(token: str):
    await app.state.http.get(f"/items/{token}")
    return {"order": token, "accepted": True}
