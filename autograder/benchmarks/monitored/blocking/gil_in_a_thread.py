"""The same in a `def` endpoint: its thread holds the GIL, so the loop stands still all the same."""

import re

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
def work():
    return bool(re.fullmatch(r"(a+)+b", "a" * 23))  # blocks
