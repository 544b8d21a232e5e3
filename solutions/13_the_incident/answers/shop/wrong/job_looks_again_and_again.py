# ruff: noqa: F821 (sections that take the place of those in reference.py)
import time

import redis


# --- job: work for the back office, through Redis: pushed onto the list `jobs`; the result comes on `reply:{token}`


office = redis.Redis.from_url(REDIS, decode_responses=True)


@app.post("/jobs/{token}")
async def job(token: str):
    office.rpush("jobs", token)
    while (result := office.lpop(f"reply:{token}")) is None:
        time.sleep(0.05)
    return {"job": token, "result": int(result)}
