import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import Depends, FastAPI

from workshop import stamp

app = FastAPI()
clerks = ThreadPoolExecutor(max_workers=8)


def stamped(text):
    return asyncio.get_running_loop().run_in_executor(clerks, stamp, text)


async def user(token: str):
    return await stamped(f"{token}-1")


@app.get("/logins/{token}")
async def login(token: str, password: Annotated[int, Depends(user)]):
    session = await stamped(f"{token}-2")
    return {"login": token, "password": password, "session": session}
