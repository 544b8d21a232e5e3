"""``./course lab``: run JupyterLab on the course's notebooks, with little output on the terminal.

JupyterLab's settings for this course are in autograder/jupyter/, which Binder uses too.
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
    """Run JupyterLab until it's stopped and return an exit code. ``port`` None picks a free port, ``notebook`` None lesson 00."""
    notebooks = ROOT / "notebooks"
    page = start_page(notebooks, notebook)
    if port is not None:
        check_port(port)
    serve(notebooks, page, browser, port)
    return 0


def start_page(notebooks: Path, wanted: str | None) -> str:
    """Return the URL path of the page to open. Raise `SetupError` if there are no notebooks, or ``wanted`` isn't one of them."""
    if next(notebooks.glob("*/*.ipynb"), None) is None:
        raise SetupError("There are no notebooks yet: run ./course build, then this again.")
    if wanted is None:
        return f"/lab/tree/{FIRST}" if (notebooks / FIRST).exists() else "/lab"
    for found in (Path(wanted), notebooks / wanted):
        if found.exists() and found.resolve().is_relative_to(notebooks.resolve()):
            return "/lab/tree/" + quote(found.resolve().relative_to(notebooks.resolve()).as_posix())
    raise SetupError(f"There is no {wanted} in {notebooks}: leave it out to start at lesson 00.")


def check_port(port: int) -> None:
    """Raise `SetupError` if this server can't listen on the port. A port that the user names isn't replaced by another one."""
    with socket.socket() as probe:
        if os.name != "nt":  # on Windows this would allow binding to a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except PermissionError:
            raise SetupError(f"You aren't allowed to use port {port}: choose one above 1023.") from None
        except OSError:
            raise SetupError(
                f"Port {port} is in use: choose another, or leave out --port and a free one is found."
            ) from None


def serve(notebooks: Path, page: str, browser: bool, port: int | None) -> None:
    """Run JupyterLab in this process until it's stopped: no other process can be left behind."""
    say("Starting JupyterLab ...")
    started = print_progress("starting")
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

    # The callback that binds the port is already scheduled, so this one runs after it.
    server.io_loop.add_callback(announce)
    # From here on, the server logs its banner and its last message as critical. Keep only a lost port.
    server.log.addFilter(lambda record: record.levelno < logging.CRITICAL or "ERROR" in record.getMessage())
    stop_on_signals(server)
    server.start()
    print("Stopped.", file=sys.stderr, flush=True)


def print_progress(what: str) -> threading.Event:
    """Print a progress line every `HEARTBEAT_S` seconds until the returned event is set."""
    done, began = threading.Event(), time.monotonic()

    def wait() -> None:
        while not done.wait(HEARTBEAT_S):
            say(f"    still {what}, {time.monotonic() - began:.0f} s so far")

    threading.Thread(target=wait, daemon=True).start()
    return done


def stop_on_signals(server: Any) -> None:
    """Stop the server and its kernels at one Ctrl-C or a closed terminal, without asking. A second Ctrl-C interrupts that.

    By default, JupyterLab asks for confirmation if it has a terminal, and leaves its kernels running if it has none.
    """

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        server.stop(from_signal=True)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # An ignored SIGHUP was set by nohup and stays; an ignored SIGINT only means that a shell started this with "&".
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, stop)
