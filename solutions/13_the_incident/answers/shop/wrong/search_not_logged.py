# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- search: what people search for is logged, and each log line is sent to the supplier


@app.get("/search")
async def search(words: str):
    return {"words": words, "found": []}
