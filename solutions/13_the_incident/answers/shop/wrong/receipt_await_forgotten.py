# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- receipt: a printer that takes `wait` seconds


async def printer(wait: float):
    asyncio.sleep(wait)


@app.get("/receipts/{number}", dependencies=[Depends(printer)])
async def receipt(number: int):
    return {"receipt": number, "printed": True}
