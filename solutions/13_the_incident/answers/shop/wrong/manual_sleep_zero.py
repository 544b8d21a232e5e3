# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- manual: sent in chunks; the number of its pages is in a slow file


async def pieces(token):
    yield f'{{"manual": "{token}", '
    await asyncio.sleep(0)
    pages = (DOCUMENTS / token).read_text()
    yield f'"pages": {pages}}}'


@app.get("/manuals/{token}")
async def manual(token: str):
    return StreamingResponse(pieces(token), media_type="application/json")
