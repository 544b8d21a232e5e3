"""A program is run on the loop."""

import subprocess
import sys

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    subprocess.run([sys.executable, "-S", "-c", "import time; time.sleep(0.15)"], check=True)  # blocks
