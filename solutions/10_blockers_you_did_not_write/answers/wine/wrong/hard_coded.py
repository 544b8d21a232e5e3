from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Wine(BaseModel):
    wine: str
    bottles: int = 42


@app.get("/wines/{token}")
async def wine(token: str) -> Wine:
    return Wine(wine=token)
