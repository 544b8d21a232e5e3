"""`python -m autograder`: the course's commands, in an environment that is already there."""

import sys

from autograder.cli import main

if __name__ == "__main__":
    sys.exit(main())
