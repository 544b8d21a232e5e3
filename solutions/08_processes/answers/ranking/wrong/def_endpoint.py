from fastapi import FastAPI

from workshop import ranking

app = FastAPI()


@app.get("/rankings/{token}")
def rank(token: str):
    number = ranking(token)
    return {"ranking": token, "number": number}
