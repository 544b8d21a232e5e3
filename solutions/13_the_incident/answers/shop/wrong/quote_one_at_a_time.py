# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- quote: a price that an old program prints


one = asyncio.Semaphore(1)


@app.get("/quotes/{token}")
async def quote(token: str):
    async with one:
        program = await asyncio.create_subprocess_exec(QUOTE, token, stdout=asyncio.subprocess.PIPE)
        printed, _ = await program.communicate()
    return {"quote": token, "price": int(printed)}
