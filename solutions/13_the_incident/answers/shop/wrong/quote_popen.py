# ruff: noqa: F821 (sections that take the place of those in reference.py)
import subprocess


# --- quote: a price that an old program prints


@app.get("/quotes/{token}")
async def quote(token: str):
    program = subprocess.Popen([QUOTE, token], stdout=subprocess.PIPE)
    printed, _ = program.communicate()
    return {"quote": token, "price": int(printed)}
