import asyncio
import os
from urllib.parse import urlsplit

from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()


@app.post("/jobs/{token}")
async def job(token: str):
    address = urlsplit(REDIS_URL)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    if address.username:
        writer.write(f"AUTH {address.username} {address.password or '-'}\r\n".encode())
        await reader.readline()
    writer.write(f"RPUSH jobs {token}\r\nBLPOP reply:{token} 30\r\n".encode())
    # :1, *2, $18, reply:..., $6, 271828
    lines = [await reader.readline() for _ in range(6)]
    writer.close()
    return {"job": token, "result": int(lines[-1])}
