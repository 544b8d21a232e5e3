import asyncio
import sys

from fastapi import FastAPI

app = FastAPI()
PROGRAM = "import sys, workshop; print(workshop.route(sys.argv[1]))"


@app.get("/routes/{token}")
async def way(token: str):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, token, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return {"route": token, "number": int(output)}
