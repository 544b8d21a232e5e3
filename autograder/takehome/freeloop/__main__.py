"""Run the command line: ``python -m freeloop``."""

import sys

from freeloop.cli import main

sys.exit(main())
