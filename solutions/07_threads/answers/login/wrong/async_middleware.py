import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from workshop import stamp

app = FastAPI()


@app.middleware("http")
async def signed(request: Request, call_next):
    response = await call_next(request)
    if request.url.path.startswith("/logins"):
        response.headers["signature"] = str(stamp("signature", 7))
    return response


def check_password(token):
    return stamp(f"{token}-1")


async def user(token: str):
    return await asyncio.to_thread(check_password, token)


@app.get("/logins/{token}")
async def login(token: str, password: Annotated[int, Depends(user)]):
    session = await asyncio.to_thread(stamp, f"{token}-2")
    return {"login": token, "password": password, "session": session}
