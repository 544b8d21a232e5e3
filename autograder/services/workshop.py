"""The workshop: a colleague's library of CPU-bound work. An app imports it from its own folder.

Each job takes a token and returns a number below one million. The work is real, and its result depends only on the start:

* `thumbnail` draws a picture and shrinks it, with Pillow.
* `stamp` hashes a password slowly, on purpose, as passwords should be.
* `ranking` sorts a long list of numbers and looks into its middle.
* `route` walks through a grid, a step at a time, in plain Python.

A job starts from a number, which is usually derived from the token. If the environment variable WORKSHOP names an address,
the job sends its token there, waits for the reply, and starts from the number in it.
"""

import hashlib
import os
import random
import socket
import zlib


def thumbnail(token: str, start: int | None = None) -> int:
    """Draw a picture of 4 megapixels and shrink it; the number comes from the small picture's pixels."""
    from PIL import Image  # imported here, so that the other jobs don't need Pillow

    seeds = random.Random(begin(token, start)).randbytes(3 * 60 * 40)
    photo = Image.frombytes("RGB", (60, 40), seeds).resize((2400, 1600), Image.Resampling.BICUBIC)
    return number_of(photo.resize((120, 80), Image.Resampling.LANCZOS).tobytes())


def stamp(token: str, start: int | None = None) -> int:
    """Hash a password in a quarter of a million rounds."""
    return number_of(hashlib.pbkdf2_hmac("sha256", b"%d" % begin(token, start), b"workshop", 250_000))


def ranking(token: str, start: int | None = None) -> int:
    """Sort a quarter of a million random numbers; the number comes from around the middle."""
    numbers = memoryview(random.Random(begin(token, start)).randbytes(8 * 250_000)).cast("Q").tolist()
    ordered = sorted(numbers)
    return number_of(b"%d" % sum(ordered[124_000:126_000]))


def route(token: str, start: int | None = None) -> int:
    """Walk a million and a half small steps; the number is where they lead."""
    here = begin(token, start)
    for step in range(1_500_000):
        here = (here * 31 + step) & 0xFFFFF
        here ^= here >> 7
    return here % 1_000_000


def begin(token: str, start: int | None) -> int:
    """Return the number from which the work for a token starts: ``start``, the one from WORKSHOP, or one from the token."""
    if start is not None:
        return start
    address = os.environ.get("WORKSHOP")
    if not address:
        return zlib.crc32(token.encode()) % 1_000_000
    secret, _, place = address.rpartition("@")
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port))) as books:
        books.sendall(f"{secret} {token}\n".encode())
        return int(books.makefile().readline())


def number_of(data: bytes) -> int:
    """Return a number below one million that depends on every byte."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") % 1_000_000
