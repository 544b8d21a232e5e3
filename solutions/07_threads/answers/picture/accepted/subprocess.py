import asyncio
import sys

from fastapi import FastAPI

app = FastAPI()
PROGRAM = "import sys, workshop; print(workshop.thumbnail(sys.argv[1]))"


@app.get("/pictures/{token}")
async def picture(token: str):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, token, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return {"picture": token, "thumbnail": int(output)}
