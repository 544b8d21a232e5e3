"""The town library: what is done behind the desk."""

import asyncio
import subprocess
import sys
import threading
import time
from functools import lru_cache

till = threading.Lock()
PRINTER = "import time; time.sleep(0.08); print('label', end='')"


def label(number):
    return f"{number}: {_printed(PRINTER)}"


def _printed(program):
    return _run([sys.executable, "-I", "-c", program])


def _run(command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def bind(number):
    time.sleep(0.1)
    return number


async def remind(number):
    await asyncio.sleep(0.01)
    time.sleep(0.07)


def thank(number):
    time.sleep(0.07)


async def scan(number):
    for page in range(3):
        time.sleep(0.06)
        yield f"page {page} of {number}\n"


def print_covers(number):
    for cover in range(3):
        time.sleep(0.06)
        yield f"cover {cover} of {number}\n"


async def fee(number):
    counting = threading.Thread(target=_count_the_till)
    counting.start()
    while not till.locked() and counting.is_alive():
        await asyncio.sleep(0.001)
    with till:
        return _table()[number % 10]


def _count_the_till():
    with till:
        time.sleep(0.1)


@lru_cache
def _table():
    return [n / 10 for n in range(10)]
