"""``./course lab``: JupyterLab on the course's notebooks, with as little output on the terminal as possible.

JupyterLab's settings for this course are in autograder/jupyter/, where Binder finds them too.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autograder.bootstrap.environment import ROOT, say
from autograder.bootstrap.installer import HEARTBEAT_S
from autograder.errors import SetupError

FIRST = "00_start_here/lesson_00_start_here.ipynb"
ADDRESS = "127.0.0.1"


def main(browser: bool, port: int | None, notebook: str | None) -> int:
    notebooks = ROOT / "notebooks"
    page = where_to_start(notebooks, notebook)
    if port is not None:
        check_port(port)
    serve(notebooks, page, browser, port)
    return 0


def where_to_start(notebooks: Path, wanted: str | None) -> str:
    """The page of JupyterLab to open, as the path of its address."""
    if next(notebooks.glob("*/*.ipynb"), None) is None:
        raise SetupError("There are no notebooks yet: run ./course build, then this again.")
    if wanted is None:
        return f"/lab/tree/{FIRST}" if (notebooks / FIRST).exists() else "/lab"
    for found in (Path(wanted), notebooks / wanted):
        if found.exists() and found.resolve().is_relative_to(notebooks.resolve()):
            return "/lab/tree/" + quote(found.resolve().relative_to(notebooks.resolve()).as_posix())
    raise SetupError(f"There is no {wanted} in {notebooks}: leave it out to start at lesson 00.")


def check_port(port: int) -> None:
    """A port that was asked for by number is that one or none."""
    with socket.socket() as probe:
        if os.name != "nt":  # there it would let us share a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except PermissionError:
            raise SetupError(f"Port {port} needs rights that you do not have: choose one above 1023.") from None
        except OSError:
            raise SetupError(
                f"Port {port} is in use: choose another, or leave out --port and a free one is found."
            ) from None


def serve(notebooks: Path, page: str, browser: bool, port: int | None) -> None:
    """Run JupyterLab in this process until it is stopped, so that there is no other to be left behind."""
    say("Starting JupyterLab ...")
    started = say_that_it_goes_on("starting")
    from jupyterlab.labapp import LabApp

    arguments = [
        f"--ServerApp.root_dir={notebooks}",
        f"--ServerApp.ip={ADDRESS}",
        f"--ServerApp.open_browser={browser}",
        f"--LabApp.default_url={page}",
        "--ServerApp.log_level=ERROR",
        "--LabApp.log_level=ERROR",
    ]
    if port is not None:
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    server = LabApp.initialize_server(argv=arguments)

    def announce() -> None:
        started.set()
        print("The course is open in JupyterLab at this address (Ctrl-C here stops it):", file=sys.stderr, flush=True)
        print(f"http://{ADDRESS}:{server.port}{page}?token={server.identity_provider.token}", flush=True)

    # Binding the port is the first thing that the loop has been given to do; this comes after it.
    server.io_loop.add_callback(announce)
    # From here on what the server calls critical is its banner and its farewell, unless it is a port just lost.
    server.log.addFilter(lambda record: record.levelno < logging.CRITICAL or "ERROR" in record.getMessage())
    stop_on_signals(server)
    server.start()
    print("Stopped.", file=sys.stderr, flush=True)


def say_that_it_goes_on(what: str) -> threading.Event:
    """Print a line every few seconds until the event that this returns is set."""
    done, began = threading.Event(), time.monotonic()

    def wait() -> None:
        while not done.wait(HEARTBEAT_S):
            say(f"    still {what}, {time.monotonic() - began:.0f} s so far")

    threading.Thread(target=wait, daemon=True).start()
    return done


def stop_on_signals(server: Any) -> None:
    """One Ctrl-C (or a closed terminal) stops the server and its kernels, without a question; a second one insists.

    Left to itself the server asks when it has a terminal, and when it has none it leaves its kernels behind.
    """

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        server.stop(from_signal=True)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # nohup means it; a SIGINT ignored is only what shells do to anything started with "&".
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, stop)
