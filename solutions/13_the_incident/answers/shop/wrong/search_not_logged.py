# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- search: what was searched for is logged, and the log goes to the supplier, who wants to know what people look for


@app.get("/search")
async def search(words: str):
    return {"words": words, "found": []}
