from fastapi import FastAPI

from workshop import route

app = FastAPI()


@app.get("/routes/{token}")
async def way(token: str):
    number = route(token)
    return {"route": token, "number": number}
