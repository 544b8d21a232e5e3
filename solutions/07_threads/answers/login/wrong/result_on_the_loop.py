from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import Depends, FastAPI

from workshop import stamp

app = FastAPI()
clerks = ThreadPoolExecutor(max_workers=8)


def stamped(text):
    return clerks.submit(stamp, text).result()


async def user(token: str):
    return stamped(f"{token}-1")


@app.get("/logins/{token}")
async def login(token: str, password: Annotated[int, Depends(user)]):
    session = stamped(f"{token}-2")
    return {"login": token, "password": password, "session": session}
