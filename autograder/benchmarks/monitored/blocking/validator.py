"""A validator waits, as for a DNS lookup. FastAPI validates the parameters on the loop."""

import time
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import AfterValidator, BaseModel

app = FastAPI()


def resolvable(name: str) -> str:
    time.sleep(0.12)  # blocks
    return name


class Host(BaseModel):
    name: Annotated[str, AfterValidator(resolvable)]


@app.get("/work")
async def work(host: Annotated[Host, Query()]):
    return host
