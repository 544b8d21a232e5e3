"""``./course bench verdicts``: the catalogue judged again and again, idle or beside CPU hogs."""

import asyncio
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

from .. import paths
from .catalogue import catalogue, judge
from .exercise import ExerciseError, load

HOG = "import sys, threading\nthreading.Thread(target=lambda: sys.stdin.read() or __import__('os')._exit(0)).start()\nwhile True: pass"


def main(rounds=1, hogs=0, exercise=None):
    """Print wrong verdicts over trials with their 95 % bound; returns 1 if any verdict was wrong."""
    try:
        answers = [
            a for folder in paths.exercises() if exercise in (None, folder.name) for a in catalogue(load(folder))
        ]
    except ExerciseError as error:
        print(error)
        return 2
    if not answers:
        known = ", ".join(folder.name for folder in paths.exercises())
        print(f"There is no exercise {exercise!r}. There are: {known}.")
        return 2
    print(
        f"{len(answers)} catalogued answers, {rounds} rounds, {hogs} hogs. A trial is one answer, judged on both items."
    )
    with running(hogs):
        trials, seconds = asyncio.run(_trials(answers, rounds))
    return _report(trials, seconds)


@contextmanager
def running(hogs):
    """That many processes that never stop computing, gone at the end whatever happens."""
    processes = [subprocess.Popen([sys.executable, "-c", HOG], stdin=subprocess.PIPE) for _ in range(hogs)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdin.close()


async def _trials(answers, rounds):
    trials, seconds = [], []
    for number in range(1, rounds + 1):
        for answer in answers:
            began = time.perf_counter()
            judged = await judge(answer)
            seconds.append(time.perf_counter() - began)
            trials.append(judged)
            if judged.complaint:
                print(
                    f"  {'undecided' if judged.undecided else 'WRONG'}: {answer.label}: {judged.complaint}", flush=True
                )
        wrong, undecided = _counts(trials)
        print(f"round {number}: {len(trials)} trials, {wrong} wrong, {undecided} undecided", flush=True)
    return trials, seconds


def _counts(trials):
    undecided = sum(t.undecided for t in trials)
    return sum(bool(t.complaint) for t in trials if not t.undecided), undecided


def bound(wrong, trials):
    """The one-sided 95 % upper bound on a rate of which ``wrong`` of ``trials`` were seen (Clopper and Pearson)."""
    low, high = wrong / trials, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        term = total = (1 - rate) ** trials
        for k in range(1, wrong + 1):
            term *= (trials - k + 1) / k * rate / (1 - rate)
            total += term
        low, high = (rate, high) if total > 0.05 else (low, rate)
    return high


def _report(trials, seconds):
    wrong, undecided = _counts(trials)
    decided = len(trials) - undecided
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
    print(
        f"wrong verdicts: {wrong} of {decided} trials; with 95 % confidence fewer than {bound(wrong, max(decided, 1)):.2%}"
    )
    print(f"undecided (ERROR): {undecided} of {len(trials)}")
    print(f"seconds a trial, both items and the server's start: median {cuts[49]:.2f}, 99th percentile {cuts[98]:.2f}")
    return 1 if wrong else 0
