from fastapi import FastAPI

app = FastAPI()


@app.get("/routes/{token}")
async def way(token: str):
    number = 42
    return {"route": token, "number": number}
