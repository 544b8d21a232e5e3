"""``./course bench verdicts``: judge the catalogue repeatedly, on an idle or a busy machine, and count wrong verdicts."""

import asyncio
import json
import multiprocessing
import os
import random
import statistics
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

from autograder import paths
from autograder.benchmarks import baselines, cpu_load
from autograder.judge.catalogue.catalogue import catalogue, judge, written
from autograder.judge.judge import RETRIES
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import load as load_exercise
from autograder.sandbox import levels

OTHER_VARIANTS = 20  # of an exercise, whose starter and reference are judged as well


def main(
    rounds=1, hogs=0, exercises=(), quota=None, minutes=None, compare=False, workers=1, isolation="none", record=None
):
    """Print how many of the trials had a wrong verdict, with a 95 % bound. Return 1 if any had, 2 if the run isn't possible.

    ``exercises`` names the exercises to judge (default: all). ``hogs`` CPU-bound processes run during the trials. ``quota``
    is the percentage of one CPU that everything shares. ``minutes`` ends the run early, between two trials. ``compare``
    applies the rules of `baseline_verdicts` to the same apps. ``workers`` is the number of concurrent trials. Apps are
    sandboxed as in class grading, with at least ``isolation``. One line of JSON for each trial is appended to ``record``.
    """
    try:
        wanted = [load_exercise(folder) for folder in paths.exercises() if folder.name in (exercises or [folder.name])]
        answers = [answer for found in wanted for answer in (*catalogue(found), *written(found), *_ends(found))]
    except ExerciseError as error:
        print(error)
        return 2
    known = [folder.name for folder in paths.exercises()]
    if unknown := [name for name in exercises if name not in known]:
        print(f"There is no exercise {unknown[0]!r}. There are: {', '.join(known)}.")
        return 2
    try:
        found = levels.at_least(isolation)
    except levels.IsolationUnavailable as low:
        print(low)
        return 2
    if found.sandbox:
        found.sandbox.close()
    print(found.sentence)
    print(
        f"{len(answers)} catalogued answers, {rounds} rounds, {hogs} hogs"
        + (f", {workers} at a time" if workers > 1 else "")
        + (f", {quota} % of one CPU" if quota else "")
        + ". A trial judges one answer. It has two verdicts for an endpoint, one for a list or a test, "
        + "and one for each judged route of a whole app."
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(cpu_load.quota(quota))
        except cpu_load.NoQuota as problem:
            print(problem)
            return 2
        stack.enter_context(cpu_load.hogs(hogs))
        deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
        with Path(record or os.devnull).open("a", encoding="utf-8") as log:
            trials = _trials(answers, rounds, deadline, compare, workers, found.level, log)
    return _report(trials, compare)


def _ends(exercise):
    """Return the starter and the reference of an exercise's other variants, of at most `OTHER_VARIANTS` of them."""
    others = exercise.variants[1:]
    chosen = random.sample(others, min(OTHER_VARIANTS, len(others)))
    loaded = [load_exercise(exercise.folder, variant) for variant in chosen]
    return [answer for one in loaded for answer in catalogue(one) if answer.kind in ("starter", "reference")]


def _trials(answers, rounds, deadline, compare, workers, level="none", log=None):
    """Judge the answers until the rounds or the time are over and return the `Judged`. Each worker has its own services."""
    trials, running = [], set()
    # in a new order each round, so that a run that ends early has judged a fair sample
    todo = (answer for _ in range(rounds) for answer in random.sample(answers, len(answers)))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=_open_sandbox, initargs=(level,)) as pool:
        while True:
            while len(running) < workers and time.monotonic() < deadline and (answer := next(todo, None)):
                running.add(pool.submit(_one, answer, compare))
            if not running:
                return trials
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for judged in (future.result() for future in ended):
                trials.append(judged)
                if log:
                    print(json.dumps(_as_fields(judged)), file=log, flush=True)
                if judged.complaint:
                    kind = "undecided" if judged.undecided else "WRONG"
                    print(f"  {kind}: {judged.answer.label}: {judged.complaint}", flush=True)
                if len(trials) % 100 == 0:
                    wrong, undecided = _counts(trials)
                    print(f"{_size(trials)}, {wrong} wrong, {undecided} undecided", flush=True)


_sandbox = None  # of this worker


def _open_sandbox(level):
    """Open this worker's sandbox, at a level that this machine is known to support."""
    global _sandbox
    if level != "none":
        _sandbox = levels.at_least(level, ceiling=level).sandbox


def _one(answer, compare):
    """Judge one answer in a worker."""
    comparison = baselines.baseline_verdicts if compare and baselines.truth(answer) is not None else None
    return asyncio.run(judge(answer, comparison, _sandbox))


def _as_fields(judged):
    """Return the fields of a trial's line in the record; durations are in seconds."""
    return {
        "answer": judged.answer.label, "verdicts": judged.verdicts, "outcome": judged.concurrency.outcome,
        "kind": judged.concurrency.kind, "races": judged.concurrency.trials, "seconds": round(judged.seconds, 3),
        "proof_seconds": round(judged.proof_seconds, 3), "complaint": judged.complaint, "undecided": judged.undecided,
    }  # fmt: skip


def _counts(trials):
    """Return (wrong, undecided): how many trials had a wrong verdict, and how many an ERROR."""
    undecided = sum(t.undecided for t in trials)
    return sum(bool(t.complaint) for t in trials if not t.undecided), undecided


def _size(trials):
    return f"{_plural(len(trials), 'trial')}, {_plural(sum(trial.verdicts for trial in trials), 'verdict')}"


def _plural(count, what):
    return f"{count} {what}" + ("" if count == 1 else "s")


def bound(wrong, trials):
    """Return the one-sided 95 % upper bound on the rate of wrong verdicts after ``wrong`` in ``trials`` (Clopper-Pearson)."""
    low, high = wrong / trials, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        term = total = (1 - rate) ** trials
        for k in range(1, wrong + 1):
            term *= (trials - k + 1) / k * rate / (1 - rate)
            total += term
        low, high = (rate, high) if total > 0.05 else (low, rate)
    return high


def _report(trials, compare):
    """Print the result and return an exit code."""
    if not trials:
        print("The time ran out before the first trial ended: give it more --minutes.")
        return 2
    wrong, undecided = _counts(trials)
    decided = len(trials) - undecided
    print(_size(trials))
    print(f"wrong: {wrong} of {decided} trials; with 95 % confidence fewer than {bound(wrong, max(decided, 1)):.2%}")
    print(f"undecided (ERROR, of an app after {RETRIES} tries): {undecided} of {len(trials)}")
    passed = [t.proof_seconds for t in trials if t.proof_seconds and t.concurrency.passed]
    print("seconds from a running server to a PASS of concurrency: " + _quantiles(passed))
    print("seconds per trial, with all its verdicts and the server's start: " + _quantiles([t.seconds for t in trials]))
    if compare:
        _report_baselines([t for t in trials if t.baseline_verdicts])
    return 1 if wrong else 0


def _quantiles(values):
    if len(values) < 2:
        return "too few to tell"
    cuts = statistics.quantiles(values, n=100)
    return f"median {cuts[49]:.2f}, 99th percentile {cuts[98]:.2f} ({len(values)})"


def _report_baselines(trials):
    """Print how often the rules of `baselines` and this judge failed correct apps and passed faulty ones."""
    if not trials:
        print("None of these answers is in the scope of the rules to compare with.")
        return
    count, wrong = Counter(), Counter()
    for trial in trials:
        truth = baselines.truth(trial.answer)
        count[truth] += 1
        for rule, passed in trial.baseline_verdicts.items():
            wrong[rule, truth] += passed is not truth
    print(f"{'on the same trials':20}{'correct ones failed':>22}{'faulty ones passed':>22}")
    for rule in baselines.RULES:
        print(f"{rule:20}{f'{wrong[rule, True]} of {count[True]}':>22}{f'{wrong[rule, False]} of {count[False]}':>22}")
    ours = Counter(baselines.truth(t.answer) for t in trials if t.complaint and not t.undecided)
    print(f"{'this judge':20}{f'{ours[True]} of {count[True]}':>22}{f'{ours[False]} of {count[False]}':>22}")
