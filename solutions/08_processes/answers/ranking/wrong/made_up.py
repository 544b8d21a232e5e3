from fastapi import FastAPI

app = FastAPI()


@app.get("/rankings/{token}")
async def rank(token: str):
    number = 42
    return {"ranking": token, "number": number}
