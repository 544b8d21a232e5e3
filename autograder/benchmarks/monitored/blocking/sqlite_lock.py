"""sqlite waits for a lock that another thread has, in the driver's C code."""

import pathlib
import sqlite3
import tempfile
import threading
import time

from fastapi import FastAPI

app = FastAPI()
FILE = str(pathlib.Path(tempfile.mkdtemp(prefix="course-monitored-")) / "shop.db")


def connect():
    return sqlite3.connect(FILE, timeout=30, isolation_level=None, check_same_thread=False)


def write(connection, began):
    connection.execute("BEGIN IMMEDIATE")
    began.set()
    time.sleep(0.15)
    connection.execute("COMMIT")
    connection.close()


@app.get("/work")
async def work():
    began = threading.Event()
    threading.Thread(target=write, args=(connect(), began)).start()
    began.wait()  # blocks
    connection = connect()
    connection.execute("BEGIN IMMEDIATE")  # blocks
    connection.execute("COMMIT")
    connection.close()
