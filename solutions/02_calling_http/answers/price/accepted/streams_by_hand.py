import asyncio
import json
import os
from urllib.parse import urlsplit

from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    address = urlsplit(UPSTREAM)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET /items/{token} HTTP/1.1\r\nHost: upstream\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])
