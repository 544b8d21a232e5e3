"""One line that says how far a class run is."""

import sys
import time


class Progress:
    """One line that says how far it is and how long it will take; on a terminal it stays in its place."""

    def __init__(self, count):
        self.count = count
        self.done = 0
        self.began = self.said = time.monotonic()
        self.live = sys.stderr.isatty()

    def one(self):
        self.done += 1
        now = time.monotonic()
        if self.live or now - self.said >= 10 or self.done == self.count:
            self.said = now
            left = (now - self.began) / self.done * (self.count - self.done)
            rate = 60 * self.done / max(now - self.began, 0.001)
            line = f"{self.done} of {self.count} graded, {rate:.0f} a minute, about {left / 60:.1f} minutes left"
            print(f"\r\033[K{line}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def say(self, line):
        print(f"\r\033[K{line}" if self.live else line, file=sys.stderr, flush=True)

    def end(self):
        if self.live:
            print(file=sys.stderr)
