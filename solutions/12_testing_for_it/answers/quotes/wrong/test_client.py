import time

from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    time.sleep(0.05)
    return {"item": token}


def test_with_the_test_client():
    client = TestClient(app)
    for i in range(4):
        assert client.get(f"/quotes/{i}").json() == {"item": str(i)}
