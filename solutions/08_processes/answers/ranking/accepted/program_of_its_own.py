import asyncio
import sys

from fastapi import FastAPI

app = FastAPI()
PROGRAM = "import sys, workshop; print(workshop.ranking(sys.argv[1]))"


@app.get("/rankings/{token}")
async def rank(token: str):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, token, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return {"ranking": token, "number": int(output)}
