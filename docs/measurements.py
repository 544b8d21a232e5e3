"""Print recorded verdicts as rows for docs/verdicts.md: ``python docs/measurements.py FILE...``.

``./course bench verdicts --record FILE`` writes a FILE: one JSON object for each trial. This needs only the standard library.
"""

import json
import re
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

HEADER = (
    "| run | trials, verdicts | wrong outcome | other words | ERROR | seconds to a PASS, median "
    "| seconds a trial: median, 99th percentile |\n|---|---|---|---|---|---|---|"
)


def only_other_words(complaint: str) -> bool:
    """Return True if a complaint of the catalogue is about a correct FAIL with another diagnosis."""
    return "must get" in complaint and not re.search(r"but: (pass|error)\b", complaint)


def row(name: str, trials: Iterable[dict]) -> str:
    """Return the table row of one run. Raise `ValueError` if there are fewer than two trials.

    A wrong trial is one of *other words* if it failed as it should, but with another diagnosis than the catalogue asks for.
    """
    found = list(trials)
    if len(found) < 2:
        raise ValueError(f"{name} has {len(found)} trials: a row needs at least two")
    complaints = [trial for trial in found if trial["complaint"] and not trial["undecided"]]
    words = sum(only_other_words(trial["complaint"]) for trial in complaints)
    undecided = sum(bool(trial["undecided"]) for trial in found)
    passes = [t["proof_seconds"] for t in found if t["outcome"] == "pass" and t["proof_seconds"]]
    to_pass = f"{statistics.median(passes):.2g}" if passes else "none"
    cuts = statistics.quantiles([trial["seconds"] for trial in found], n=100, method="inclusive")
    verdicts = sum(trial["verdicts"] for trial in found)
    return (
        f"| {name} | {len(found)}, {verdicts} | {len(complaints) - words} | {words} | {undecided} "
        f"| {to_pass} | {cuts[49]:.2g}, {cuts[98]:.2g} |"
    )


def main(files: list[str]) -> int:
    """Print the table for the named files and return an exit code."""
    if not files:
        print(__doc__)
        return 2
    print(HEADER)
    for file in files:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        print(row(Path(file).stem, map(json.loads, lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
