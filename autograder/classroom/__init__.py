"""The classroom: builds notebooks, reads submissions, grades them, and works with nbgrader."""

import sys

# Importing nbformat imports jsonschema, which builds a grammar of IRIs from this package, in 1.5 s of CPU for each process. It
# leaves it out where it's missing, and nothing here checks IRIs.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
