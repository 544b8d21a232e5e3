from fastapi import FastAPI

app = FastAPI()


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": 42}
