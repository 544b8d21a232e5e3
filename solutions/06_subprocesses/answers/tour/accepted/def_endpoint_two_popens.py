import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/tours/{token}")
def tour(token: str):
    processes = [subprocess.Popen([PRICE, f"{token}-{i}"], stdout=subprocess.PIPE) for i in (1, 2)]
    first, second = (int(process.communicate()[0]) for process in processes)
    return {"tour": token, "total": first + second}
