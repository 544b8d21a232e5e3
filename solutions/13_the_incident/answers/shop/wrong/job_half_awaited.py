# ruff: noqa: F821 (sections that take the place of those in reference.py)
import redis


# --- job: work for the back office, through Redis: pushed onto the list `jobs`; the result comes on `reply:{token}`


office = redis.Redis.from_url(REDIS, decode_responses=True)


@app.post("/jobs/{token}")
async def job(token: str, request: Request):
    await request.app.state.redis.rpush("jobs", token)
    _, result = office.blpop([f"reply:{token}"])
    return {"job": token, "result": int(result)}
