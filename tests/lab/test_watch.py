"""The watch inside the served process: it may never cost the app anything but time."""

import threading
from collections import Counter

from autograder.programs import loop_watchdog


def test_what_was_sampled_can_be_told_while_the_sampler_goes_on():
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
