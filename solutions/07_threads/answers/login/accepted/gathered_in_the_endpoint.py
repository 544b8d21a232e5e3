import asyncio

from fastapi import FastAPI

from workshop import stamp

app = FastAPI()


@app.get("/logins/{token}")
async def login(token: str):
    password, session = await asyncio.gather(
        asyncio.to_thread(stamp, f"{token}-1"),
        asyncio.to_thread(stamp, f"{token}-2"),
    )
    return {"login": token, "password": password, "session": session}
