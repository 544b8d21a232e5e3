from fastapi import FastAPI

app = FastAPI()


@app.post("/orders/{token}")
async def order(token: str):
    return {"order": token, "accepted": True}
