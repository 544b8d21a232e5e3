import subprocess

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    subprocess.run(["sleep", str(wait)], check=True)
    return {"report": number, "status": "ready"}
