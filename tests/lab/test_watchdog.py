"""The watch inside the served process: it may never cost the app anything but time."""

import runpy
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from freeloop.core import loop_watchdog
from freeloop.core.loop_watchdog import LoopIterations

from autograder import paths


def test_sampling_can_be_read_meanwhile():
    """Samples can be read while the sampler goes on adding to them."""
    samples, over = Counter(), threading.Event()

    def sample():
        number = 0
        while not over.is_set():
            number += 1
            samples[loop_watchdog.Place("shop.py", number, number, "code", "function")] += 0.005
            if number % 10_000 == 0:
                samples.clear()

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        for _ in range(300):
            assert len(loop_watchdog.places(samples)) <= 5
    finally:
        over.set()
        sampler.join()
    samples[loop_watchdog.Place("shop.py", 1, 1, "code", "function")] += 10
    assert loop_watchdog.places(samples)[0]["seconds"] >= 10


STORM = """
import gc, sys

sys.path.insert(0, sys.argv[1])
import loop_watchdog

loop_watchdog.LoopIterations.sample_interval_s = 0.0005
iterations = loop_watchdog.LoopIterations(lambda **report: None, "/app")
iterations.phase = "serving"
sys.setswitchinterval(1e-6)
iterations.start()
gc.set_threshold(5)


def deep(n):
    return deep(n - 1) if n else [object() for _ in range(3)]


for _ in range(20_000):
    iterations.begin()
    for _ in range(30):
        deep(20)
    iterations.end()
"""


def test_sampling_survives_garbage_collections():
    """On 3.11 a collection that began while a frame was looked at ended the process, once in thousands of starts."""
    command = [sys.executable, "-X", "faulthandler", "-c", STORM, str(paths.WATCHDOG)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_answer_waits_for_collections():
    """The sampler may get a CPU late, so the wait for its reports ends only when they have been sent."""
    said = []
    iterations = LoopIterations(lambda **report: said.append(report["event"]), "/app")
    iterations.other_collections.append((0, 0.0, 0.2, 0.2))
    asking = threading.Thread(target=iterations.wait_for_collections, args=(600,))
    asking.start()
    asking.join(0.1)
    assert asking.is_alive()
    iterations._report_collections()
    asking.join()
    assert said == ["gil"]


def test_call_during_report_is_sampled(tmp_path, monkeypatch):
    """If the sampler's report takes long, the line that the loop thread reaches in the meantime is sampled too."""
    reports, reached, over = [], threading.Event(), threading.Event()
    (tmp_path / "app.py").write_text(
        "def run(sampled, reached, over):\n    while not sampled: pass\n    reached.set()\n    over.wait()\n"
    )
    run = runpy.run_path(str(tmp_path / "app.py"))["run"]
    iterations = LoopIterations(lambda **report: reports.append(report), str(tmp_path))
    read, sleep, sampled, slept = iterations.waited, time.sleep, [], set()

    def waited():
        # not at a sample that already stands for a hold-up: there is no second one without a sleep between them
        if not sampled and threading.get_ident() in slept:
            sampled.append(threading.get_ident())
            assert reached.wait(60)
            sleep(0.1)  # so long the loop thread has been in its last line
        return read()

    def sleeps(seconds):
        if threading.get_ident() in sampled:  # threads that other tests have left behind sleep as well
            over.set()  # to sleep is to give the GIL away: the call ends, and the iteration with it
            sleep(0.1)
        sleep(seconds)
        slept.add(threading.get_ident())

    monkeypatch.setattr(iterations, "waited", waited)
    monkeypatch.setattr(time, "sleep", sleeps)
    sampler = iterations.start()
    run(sampled, reached, over)
    iterations.end()
    iterations.stop()
    sampler.join(60)
    lines = {place["line"]: place["seconds"] for place in reports[-1]["where"]}
    assert sampled and max(lines, key=lines.get) == 4, lines


@pytest.mark.linux
def test_thread_times_are_the_kernels():
    """CPU time and run-queue delay are what the kernel counts, also read by another thread; 0.0 once the thread has ended."""
    times = loop_watchdog.ThreadTimes()
    while time.thread_time() < 0.05:
        pass
    with open("/proc/thread-self/schedstat") as file:
        before = int(file.read().split()[0]) / 1e9
    cpu, waited = times.read()
    assert 0.05 <= before <= cpu <= time.thread_time() + 1 and waited >= 0.0
    found = []
    reader = threading.Thread(target=lambda: found.append(times.read()[0]))
    reader.start()
    reader.join()
    assert found[0] >= cpu
