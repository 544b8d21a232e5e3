"""One learner's file, served while it's judged."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import services
from autograder.lab.app_errors import AppError
from autograder.lab.server import Server
from autograder.sandbox import temporary

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from autograder.sandbox.launcher import Sandbox
    from autograder.services import Service


class ServedApp:
    """One file, served on first use and again if its server has ended. ``services`` are the names of those that it calls.

    An asynchronous context manager: leaving it stops the server. The app runs in ``sandbox``, if there is one.
    """

    def __init__(self, file: str | Path, services: Iterable[str] = (), sandbox: Sandbox | None = None) -> None:
        self.file = file
        self.services = services
        self.asked: dict[str, Service] = {}  # the services whose addresses the running app has, by name
        self.sandbox = sandbox
        self._app: Server | None = None
        self._refused: AppError | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def app(self) -> Server:
        """Return the running `Server`. Raises `AppError` (immediately, if the file failed to start before) and `ServiceError`."""
        if self._refused:
            raise self._refused
        if self._app is None or not self._app.alive:
            environment: dict[str, str] = {}
            ports: list[int] = []
            app_files: list[Path] = []
            self.asked = {}
            for name in self.services:
                service, found = await asyncio.to_thread(services.fresh, name)
                self.asked[name] = service
                environment |= found
                ports += service.ports
                app_files += service.app_files
            start = partial(self.sandbox.start, ports=ports) if self.sandbox else None
            # pass no more of our environment than the app needs: it may contain secrets
            file = self._with(app_files)
            app = self._app = await asyncio.to_thread(Server, file, environment, inherit=False, start=start)
            try:
                await asyncio.to_thread(app.wait_until_ready)
            except AppError as error:
                if ended := await ended_service(self.asked):
                    raise services.ServiceError(service_ended_message(ended)) from None
                self._refused = error
                raise
        return self._app

    def _with(self, app_files: list[Path]) -> str | Path:
        """Return the file to serve: a copy if it needs ``app_files`` next to it, because the learner may have changed theirs."""
        if not app_files:
            return self.file
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="course-app-", ignore_cleanup_errors=True)
            for file in (*app_files, self.file):
                shutil.copy(file, self._folder.name)
        return Path(self._folder.name) / Path(self.file).name

    async def stop(self) -> None:
        """Stop the server, if it runs, and remove the copy of the file."""
        if self._app is not None:
            await asyncio.to_thread(self._app.stop)
        if self._folder is not None:
            temporary.remove(self._folder)
            self._folder = None


async def ended_service(asked: dict[str, Service]) -> str | None:
    """Return the name of a service in ``asked`` (names to services) that has ended, or None."""
    for name, service in asked.items():
        if not await asyncio.to_thread(service.healthy):
            return name
    return None


ENDED = "ended. Try again."


def service_ended_message(name: str) -> str:
    """Return the message for a service that has ended while an app was using it."""
    return f"the service that it asks ({name}) {ENDED}"


def ended_again(diagnosis: str, count: int, tries: int) -> str:
    """Return the diagnosis for the person who must decide, if a service ended in ``count`` of several tries."""
    seen = f"ended in {count} of {tries} tries, while this app was using it. Look at what the app sends to it."
    return diagnosis.replace(ENDED, seen)
