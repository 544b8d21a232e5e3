from fastapi import FastAPI

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    number = 42
    return {"picture": token, "thumbnail": number}
