# --- receipt: a printer that takes `wait` seconds


printing = {}


@app.get("/receipts/{number}")
async def receipt(number: int, wait: float):
    if number not in printing:
        printing[number] = asyncio.create_task(asyncio.sleep(wait))
        printing[number].add_done_callback(lambda _: printing.pop(number))
    await asyncio.shield(printing[number])
    return {"receipt": number, "printed": True}
