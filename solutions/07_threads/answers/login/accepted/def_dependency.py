import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI

from workshop import stamp

app = FastAPI()


def check_password(token):
    return stamp(f"{token}-1")


def user(token: str):
    return check_password(token)


@app.get("/logins/{token}")
async def login(token: str, password: Annotated[int, Depends(user)]):
    session = await asyncio.to_thread(stamp, f"{token}-2")
    return {"login": token, "password": password, "session": session}
