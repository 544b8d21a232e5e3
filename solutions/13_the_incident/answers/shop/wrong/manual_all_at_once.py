# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- manual: sent in chunks; the number of its pages is in a slow file


@app.get("/manuals/{token}")
async def manual(token: str):
    return {"manual": token, "pages": int((DOCUMENTS / token).read_text())}
