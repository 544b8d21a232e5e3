"""``./course class add-exercise FROM NAME``: copies an exercise, as the start of one of the teacher's own."""

import re
import shlex
import shutil
from pathlib import Path

from autograder import paths
from autograder.classroom import lessons, notebook_sources
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import load

NAME = re.compile(r"[0-9][0-9]_[a-z0-9_]+")
NEXT = """{shown} is a copy of {origin} with ids of its own: {ids}. Now
  edit {shown}/exercise.toml   its title, requests, answers and points
  edit {shown}/exercise.py     the text that learners read
  edit {shown}/answers/        the starter, the reference, and other answers with their verdicts
  ./course bench verdicts {option}--exercise {name}      checks that each answer gets the verdict it should
  ./course class new FOLDER {option}--lessons {name}     adds it to your course folder"""


def main(origin: str, name: str, own: str | None = None) -> int:
    """Copy the exercise ``origin`` to ``solutions/NAME``, or into the folder ``own``. Return an exit code.

    Nothing that exists is overwritten.
    """
    target = (Path(own).resolve() if own else paths.SOLUTIONS) / name
    option = f"--exercises {shlex.quote(own)} " if own else ""
    shown = str(target) if own else f"solutions/{name}"
    try:
        if own:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            paths.add_own_exercises(target.parent)
        _check(origin, name, target)
        ids = copy(paths.exercise(origin), target)
        lessons.check_unique(paths.exercises())
        notebook_sources.exercise_notebook(target)
    except (ExerciseError, OSError) as problem:
        print(f"The exercise can't be copied: {problem}")
        return 2
    print(NEXT.format(shown=shown, name=name, origin=origin, option=option, ids=", ".join(ids.values())))
    return 0


def _check(origin: str, name: str, target: Path) -> None:
    """Raise `ExerciseError` if there is nothing to copy, or if the target can't be used."""
    known = [folder.name for folder in paths.exercises()]
    if origin not in known:
        raise ExerciseError(f"there is no exercise {origin!r}. There are: {', '.join(known)}.")
    if not NAME.fullmatch(name):
        raise ExerciseError(f"a name has two digits, an underscore and small letters, as in 16_letters, not {name!r}.")
    if target.exists():
        raise ExerciseError(f"{target} exists already; nothing was changed.")
    if load(paths.exercise(origin)).written:
        raise ExerciseError(
            f"what {origin} grades is bound to its id and its apps. Write one of your own: see docs/exercises.md."
        )


def copy(source: Path, target: Path) -> dict[str, str]:
    """Copy an exercise's folder, without its lesson, and rename its ids. Return {old id: new id}."""
    exercise = load(source)
    prefix = target.name[3:]
    cells = [exercise.shop.id] if exercise.shop else []
    ids = {name: f"{prefix}_{name}" for name in [*(task.id for task in exercise.tasks), *cells]}
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("lesson.py", "__pycache__", ".ipynb_checkpoints"))
    for folder in (target / "answers").iterdir():
        if folder.name in ids:
            folder.rename(folder.with_name(ids[folder.name]))
    either = "|".join(map(re.escape, ids))
    toml = (target / "exercise.toml").read_text(encoding="utf-8")
    toml = re.sub(r'^lesson = ".*"$', f'lesson = "{target.name}"', toml, flags=re.MULTILINE)
    toml = _renamed(rf'^(id = ")({either})(")$', ids, toml)
    toml = _renamed(rf'(\bendpoint = ")({either})(")', ids, toml)
    (target / "exercise.toml").write_text(toml, encoding="utf-8")
    text = (target / "exercise.py").read_text(encoding="utf-8")
    text = _renamed(rf'^(# %% (?:{"|".join(notebook_sources.CELLS)})=")({either})(")', ids, text)
    text = _renamed(rf'(\bexercise\.\w+\(")({either})(")', ids, text)
    text = text.replace(source.name, target.name).replace(f"Exercise {source.name[:2]}", f"Exercise {target.name[:2]}")
    (target / "exercise.py").write_text(text, encoding="utf-8")
    return ids


def _renamed(pattern: str, ids: dict[str, str], text: str) -> str:
    """Return the text with the id in the second group of each match replaced."""
    return re.sub(pattern, lambda m: m.group(1) + ids[m.group(2)] + m.group(3), text, flags=re.MULTILINE)
