from typing import Annotated

import anyio
from fastapi import Depends, FastAPI

from workshop import stamp

app = FastAPI()
places = anyio.CapacityLimiter(2)


async def user(token: str):
    return await anyio.to_thread.run_sync(stamp, f"{token}-1", limiter=places)


@app.get("/logins/{token}")
async def login(token: str, password: Annotated[int, Depends(user)]):
    session = await anyio.to_thread.run_sync(stamp, f"{token}-2", limiter=places)
    return {"login": token, "password": password, "session": session}
