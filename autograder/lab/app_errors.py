"""Messages for learners on why an app can't be served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.errors import UserFacingError

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.programs.messages.reports import Place, StartFailed


class AppError(UserFacingError):
    """An app can't be served or used. The message is everything that the learner needs to read.

    ``stage`` is one of ``file``, ``syntax``, ``import``, ``no app``, ``not an app``, ``startup``, ``endless``, ``died``.
    ``line`` is the learner's line, if it's known.
    """

    def __init__(self, message: str, stage: str = "file", line: int | None = None) -> None:
        super().__init__(message)
        self.stage = stage
        self.line = line


def never_started(file: Path, spent: str, seconds: float, place: Place | None, imported: bool) -> AppError:
    """Return the `AppError` for an app whose start never ends.

    ``spent`` is "computing" or "sleeping", and ``seconds`` how long it did that without progress. ``place`` is the line of the
    file in which it was last seen, or None. ``imported`` is True if the file was imported and only the lifespan hasn't ended.
    """
    did = "computed" if spent == "computing" else "waited"
    where = f" It is at line {place.line}: {place.code}" if place else ""
    text = f"{file.name} did not finish starting: it has {did} for {seconds:.0f} s without any progress.{where}"
    if imported and not place:
        hint = "Its start-up, the part of the lifespan before `yield`, waits for something that never comes."
    else:
        hint = "Look for an endless loop or a call to uvicorn.run(): the course serves `app` for you."
    return AppError(f"{text}\n{hint}", "endless", place.line if place else None)


def explain(file: Path, failure: StartFailed | None, log: str) -> AppError:
    """Return the `AppError` for a `StartFailed` report of the served process, or for its absence."""
    name = file.name
    if failure is None:
        tail = log.strip().splitlines()[-3:]
        return AppError(
            f"The process that serves {name} ended before it could answer."
            + (" Its last words:\n  " + "\n  ".join(tail) if tail else " Does the cell call sys.exit() or os._exit()?"),
            "died",
        )
    stage = failure.stage
    if stage == "no app":
        others = failure.others
        hint = (
            f" You have `{others[0]}`: rename it to `app`."
            if others
            else " Add `app = FastAPI()` and hang your endpoints on it."
        )
        return AppError(f"{name} has no variable called `app`, so there is nothing to serve." + hint, stage)
    if stage == "not an app":
        return AppError(
            f"`app` in {name} is a {failure.type}, not an application. Write `app = FastAPI()`, "
            "and do not use the name `app` for anything else.",
            stage,
        )
    last = failure.where[-1] if failure.where else None
    what = failure.type + (f": {failure.message}" if failure.message else "")
    verb = {
        "syntax": "cannot be read as Python",
        "import": "stops while it is imported",
        "startup": "stops while it starts up (its lifespan)",
    }[stage]
    text = f"{name} {verb}.\n{what}"
    if last:
        text += f"\nline {last.line}:  {last.code}"
    if failure.type == "ModuleNotFoundError":
        text += "\nThe course's environment has no such module. Is the name spelled right?"
    if failure.type == "SystemExit":
        text += "\nA served file must not call sys.exit() or exit()."
    return AppError(text, stage, last.line if last else None)
