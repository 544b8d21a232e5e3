"""An app with little to do, for the overhead."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    return {"items": list(range(50))}
