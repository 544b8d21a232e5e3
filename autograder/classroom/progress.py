"""A progress line for grading."""

import sys
import time

INTERVAL_S = 5  # the longest time between two lines, where they can't replace each other


class Progress:
    """A line on stderr: how many of ``count`` submissions are graded, and an estimate of the rest.

    On a terminal the line stays in its place.
    """

    def __init__(self, count: int):
        self.count = count
        self.done = 0
        self.began = self.said = time.monotonic()
        self.live = sys.stderr.isatty()

    def one(self) -> None:
        """Count one more, and update the line."""
        self.done += 1
        now = time.monotonic()
        if self.live or now - self.said >= INTERVAL_S or self.done == self.count:
            self.said = now
            left = (now - self.began) / self.done * (self.count - self.done)
            rate = 60 * self.done / max(now - self.began, 0.001)
            line = f"{self.done} of {self.count} graded, {rate:.0f} a minute, about {left / 60:.1f} minutes left"
            print(f"\r\033[K{line}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print another line on stderr, above the line of progress."""
        print(f"\r\033[K{line}" if self.live else line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line of progress as it is."""
        if self.live:
            print(file=sys.stderr)
