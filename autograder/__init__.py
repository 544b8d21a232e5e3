"""The course's Python package: the lab that notebooks import, the judge, the classroom."""

__version__ = "0.1.0"
