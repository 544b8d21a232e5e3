"""A regular expression backtracks on the loop."""

import re

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    return bool(re.fullmatch(r"(a+)+b", "a" * 23))  # blocks
