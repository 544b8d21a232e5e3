"""Makes docs/race.png, the README's picture, from two real races: python docs/picture.py in the course's environment."""

import asyncio
import tempfile
from pathlib import Path

from autograder import lab
from autograder.lab import timeline

APP = """
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee():
    {sleep}
"""


async def main():
    races = []
    with tempfile.TemporaryDirectory() as folder:
        for sleep in ("time.sleep(0.2)", "await asyncio.sleep(0.2)"):
            file = Path(folder) / "cafe.py"
            file.write_text(APP.lstrip().format(sleep=sleep))
            lab.serve(file)
            races.append(await lab.race("/coffee", n=10))
            lab.stop()
    figure = timeline.compare(*races, titles=("time.sleep", "await asyncio.sleep"))
    figure.savefig(Path(__file__).with_name("race.png"), dpi=110)
    for race in races:
        print(race.sentence)


asyncio.run(main())
