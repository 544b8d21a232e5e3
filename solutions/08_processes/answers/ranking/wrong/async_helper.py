from fastapi import FastAPI

from workshop import ranking

app = FastAPI()


async def ranked(token):
    return ranking(token)


@app.get("/rankings/{token}")
async def rank(token: str):
    number = await ranked(token)
    return {"ranking": token, "number": number}
