from fastapi import FastAPI

app = FastAPI()


@app.get("/customers/{token}")
def customer(token: str):
    return {"customer": token, "credit": 42}
