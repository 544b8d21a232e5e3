"""Runs a race against a server, and in a notebook draws it while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING

from autograder.lab import app_errors, live_plot, server
from autograder.lab.load_generator_client import load_generator
from autograder.lab.race import Race, Request, startup_blocks
from autograder.programs.messages.races import RaceRequest, StartRace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from autograder.lab.predictions import Prediction
    from autograder.lab.server import Server
    from autograder.programs.messages.reports import Report


CANARY_EVERY = 0.02  # s between the response to a canary and the next canary
LIMIT = 60.0  # s
AFTER = 2  # canaries for which a race is watched after the last response, because some apps block then


class Interrupted(asyncio.CancelledError):
    """The user has interrupted a race."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted. Nothing is lost: run the cell again."]


def canary_path() -> str:
    """Return a path that no app has. It's random, so that no app can recognise a canary."""
    return "/" + secrets.token_hex(4)


async def race(
    path: str | Sequence[str],
    n: int = 10,
    *,
    method: str = "GET",
    json: object = None,
    title: str | None = None,
    app: Server | None = None,
    show: bool = True,
    limit: float = LIMIT,
    prediction: Prediction | None = None,
) -> Race:
    """Send ``n`` requests to ``path`` together, with canaries during the race, and return the `Race`.

    ``path`` may contain ``{i}``, the number of the request, or be a list of paths (then ``n`` is its length). ``json`` is sent
    as the body of every request. ``app`` is a `Server`, by default the one that was served last. ``show`` draws the timeline
    while the race runs, in a notebook. ``prediction``, made by `predict`, is marked in the picture if it's a time. Requests
    without a response after ``limit`` seconds are cancelled and count as failed.

    Raises `AppError` if no app is served.
    """
    app = app or server.current()
    paths = [path.replace("{i}", str(i + 1)) for i in range(n)] if isinstance(path, str) else list(path)
    if not paths or not all(isinstance(p, str) and p.startswith("/") for p in paths):
        raise app_errors.AppError(
            'A race needs at least one path that begins with a slash, as in lab.race("/brew", n=10).'
        )
    requests = [RaceRequest(i, method, p, json=json) for i, p in enumerate(paths)]
    title = title or (path if isinstance(path, str) else " and ".join(dict.fromkeys(p.split("?")[0] for p in paths)))
    mixed = not isinstance(path, str) and len({p.split("?")[0] for p in paths}) > 1
    return await run(
        app,
        requests,
        title=title.split("?")[0],
        show=show,
        limit=limit,
        mixed=mixed,
        prediction=prediction,
        after=AFTER,
    )


async def run(
    app: Server,
    requests: list[RaceRequest],
    *,
    title: str,
    show: bool = False,
    limit: float = LIMIT,
    sample: bool = False,
    epoll: int | None = None,
    companion: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    after: int = 0,
    kind: Callable[..., Any] = Race,
    **more: Any,
) -> Any:
    """Run a race of ready-made ``requests`` against the `Server` ``app``.

    With ``sample``, the load generator samples the server's threads. ``epoll`` is the file descriptor of the epoll instance
    with which its loop waits for work, if known. ``after`` is the number of canaries for which the app is watched after the
    last response. ``companion`` is a coroutine function that is called with the `Race` and runs during it; an exception in
    it ends the race. ``more`` are fields of the `Race`, or of its subclass ``kind``.
    """
    result = kind(title, str(app.file), [Request(r.key, r.path, r.method) for r in requests], **more)
    result.watchers = list(app.watchers)
    result.judged = sample
    result.startup = startup_blocks(app.startup_reports, app.file)
    loop = asyncio.get_running_loop()
    client = load_generator()
    client.guard(app)

    def listen(report: Report) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(result.apply, report)

    app.listeners.append(listen)
    companion_task = None
    drawing = live_plot.Drawing(result) if show and live_plot.possible() else None
    order = StartRace(
        client.next_race(),
        app.url or "",
        app.socket,
        requests,
        canary=canary_path(),
        canary_every=CANARY_EVERY,
        limit=limit,
        pid=app.pid if sample else None,
        epoll=epoll,
        after=after,
    )
    try:
        if drawing:
            drawing.start()
        if companion:
            companion_task = loop.create_task(companion(result))
        async for event in client.events(order):
            result.apply(event)
        if companion_task:
            await companion_task
        # reports and the load generator's events come on different pipes: wait for the reports of the last iteration
        drained = await asyncio.to_thread(app.drain_reports)
        if not drained and not sample and not any(request.ok for request in result.requests):
            result.take_stuck(await asyncio.to_thread(app.stuck_frames))
        await asyncio.sleep(0)
        result.settle()
        if not sample:  # the judge detects threads that made the loop wait in another way
            result.blame_threads()
        app.finish_race(result, show)
    except asyncio.CancelledError:
        server.interrupt(app)
        raise (Interrupted() if live_plot.possible() else asyncio.CancelledError()) from None
    finally:
        if companion_task:
            companion_task.cancel()
        app.listeners.remove(listen)
        if drawing:
            await drawing.finish()
    return result
