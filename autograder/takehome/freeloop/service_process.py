"""Start a service in a separate process with the watchdog, for the audit and the pytest plugin."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = Path(__file__).with_name("host.py")
START_LIMIT_S = 120.0  # s within which a service must start, even on a busy machine


class ServiceError(Exception):
    """The service can't be started. The message says why and ends with the service's output."""


@dataclass
class ServiceSpec:
    """What to serve: the app, named as for uvicorn, and how to start it.

    ``python`` is the interpreter and ``folder`` the working directory. ``app_dir`` is put on ``sys.path`` (default: ``folder``),
    and ``environment`` has additional environment variables.
    """

    app: str
    factory: bool = False
    folder: Path = field(default_factory=Path.cwd)
    app_dir: Path | None = None
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    loop: str = "asyncio"
    warm_up: bool = False


class ServiceProcess:
    """A running service. ``reports`` has its watchdog's reports so far, oldest first.

    Raise `ServiceError` if it doesn't start. Use it as a context manager, or call `stop`.
    """

    def __init__(self, spec: ServiceSpec, on_report: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.spec = spec
        self.reports: list[dict[str, Any]] = []
        self.ready: dict[str, Any] = {}
        self.routes: dict[str, Any] = {}
        self._on_report = on_report
        self._here = threading.Semaphore(0)
        self._started = threading.Event()
        self._failed: dict[str, Any] | None = None
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115, closed with this object
        folder = spec.folder.resolve()
        order = {
            "app": spec.app,
            "factory": spec.factory,
            "path": str((folder / spec.app_dir) if spec.app_dir else folder),
            "loop": spec.loop,
            "warm_up": spec.warm_up,
        }
        try:
            self.process = subprocess.Popen(
                [spec.python, str(HOST), json.dumps(order)],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **spec.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
            )
        except OSError as problem:
            raise ServiceError(f"{spec.python} can't be started in {folder}: {problem}") from None
        self._reader = threading.Thread(target=self._read, name="freeloop-reports", daemon=True)
        self._reader.start()
        self._started.wait(START_LIMIT_S)
        if not self.ready:
            raise ServiceError(self._why_not())

    @property
    def port(self) -> int:
        """The service's port on 127.0.0.1."""
        return int(self.ready["port"])

    @property
    def pid(self) -> int:
        """The process id of the service."""
        return self.process.pid

    def flush(self, limit_s: float = 30.0) -> bool:
        """Wait until ``reports`` has everything reported so far. Return False if the service has ended, or after ``limit_s``."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(b"?")
            self.process.stdin.flush()
        except OSError:
            return False
        return self._here.acquire(timeout=limit_s)

    def printed(self, limit: int = 4000) -> str:
        """Return the service's output so far, at most the last ``limit`` bytes."""
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(size - limit, 0))
        return self._printed.read().decode(errors="replace")

    def stop(self) -> None:
        """End the service."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                report = json.loads(line)
            except ValueError:
                continue  # the line was cut off when the process ended
            event = report.get("event")
            if event == "here":
                self._here.release()
            elif event == "routes":
                self.routes = report
            elif event == "ready":
                self.ready = report
                self._started.set()
            elif event == "failed":
                self._failed = report
            else:
                if event == "busy":
                    report["t"] = time.perf_counter()
                self.reports.append(report)
                if self._on_report is not None:
                    self._on_report(report)
        self.process.stdout.close()
        self._started.set()
        self._here.release()

    def _why_not(self) -> str:
        if self.process.poll() is None and not self._failed:
            self.stop()
            return f"{self.spec.app} didn't start within {START_LIMIT_S:.0f} s.\n{self.printed()}".rstrip()
        self.stop()
        if self._failed:
            trace = [line for line in self._failed["trace"].splitlines() if str(HOST) not in line]
            return "\n".join([f"{self.spec.app} can't be served: {self._failed['error']}", *trace[-12:]])
        return f"{self.spec.app} exited while it was starting.\n{self.printed()}".rstrip()
