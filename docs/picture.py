"""Make the README's picture from two real races: ``python docs/picture.py`` in the course's environment."""

import asyncio
from pathlib import Path

from autograder.site import animation


def main() -> None:
    """Race twice, write the animated ``docs/race.svg``, and print a sentence about each race."""
    blocked, fixed = asyncio.run(animation.races())
    Path(__file__).with_name("race.svg").write_text(animation.picture(blocked, fixed), encoding="utf-8")
    for race in (blocked, fixed):
        print(race.sentence)


if __name__ == "__main__":
    main()
