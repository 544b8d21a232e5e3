from fastapi import FastAPI

from workshop import route

app = FastAPI()


@app.get("/routes/{token}")
def way(token: str):
    number = route(token)
    return {"route": token, "number": number}
