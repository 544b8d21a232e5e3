# --- order: accepted at once; the supplier is informed after the response


@app.post("/orders/{token}")
async def order(token: str):
    await app.state.http.get(f"/items/{token}")
    return {"order": token, "accepted": True}
