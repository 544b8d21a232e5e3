"""Endpoints whose behaviour is known: each of ``BLOCKING`` holds the loop for 0.3 s or more in the line that is marked.

What isn't a lesson of the course is a minimal version of an incident that a public tracker reports: a token that is verified by
bcrypt, a report that is compressed, a template that is rendered, all on the loop.
"""

import asyncio
import functools
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

app = FastAPI()
pool = ThreadPoolExecutor(4)
guard = threading.Lock()
SLOW = os.environ.get("SLOW_URL", "")
NAP = [sys.executable, "-S", "-c", "import time; time.sleep(0.3)"]


def compute(seconds):
    """Use the CPU for so many seconds of CPU time, in Python."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


def hold_guard():
    with guard:
        time.sleep(0.4)


@app.get("/sleep")
async def sleep():
    time.sleep(0.3)  # blocks: /sleep


@app.get("/http")
async def http():
    return urllib.request.urlopen(SLOW).read()  # blocks: /http


@app.get("/result")
async def result():
    pool.submit(time.sleep, 0.3).result()  # blocks: /result


@app.get("/lock")
async def lock():
    threading.Thread(target=hold_guard).start()
    await asyncio.sleep(0.05)
    with guard:  # blocks: /lock
        pass


@app.get("/subprocess")
async def program():
    subprocess.run(NAP)  # blocks: /subprocess


@app.get("/python")
async def python():
    compute(0.3)  # blocks: /python


@app.get("/password")
async def password():
    hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 600_000)  # blocks: /password


@app.get("/regex")
async def regex():
    re.fullmatch("(a+)+b", 22 * "a")  # blocks: /regex


@app.get("/zlib")
async def compress():
    zlib.compress(payload(), 9)  # blocks: /zlib


@app.get("/os_system")
async def os_system():
    os.system("sleep 0.3")  # blocks: /os_system


@app.get("/awaits")
async def awaits():
    await asyncio.sleep(0.3)


@app.get("/to_thread")
async def to_thread():
    await asyncio.to_thread(time.sleep, 0.3)


@app.get("/def")
def in_a_thread():
    time.sleep(0.3)


@app.get("/steps")
async def steps():
    for _ in range(30):
        compute(0.01)
        await asyncio.sleep(0)


@app.get("/async_subprocess")
async def async_subprocess():
    process = await asyncio.create_subprocess_exec(*NAP)
    await process.wait()


@app.get("/quick")
async def quick():
    return {"ok": True}


@functools.cache
def payload():
    return b"".join(str(number).encode() for number in range(400_000))


payload()
