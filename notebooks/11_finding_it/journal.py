"""The town library: its journal, and how it writes long lists."""

import json
import logging
import os
from urllib.request import urlopen

from fastapi.responses import JSONResponse

log = logging.getLogger("library")


class ToTheArchive(logging.Handler):
    """Each entry goes to the town archive at once."""

    def emit(self, record):
        entry = record.getMessage().replace(" ", "-")
        with urlopen(f"{os.environ['UPSTREAM_URL']}/items/{entry}?wait=0.09") as archive:
            archive.read()


log.addHandler(ToTheArchive())
log.propagate = False


class Tidy(JSONResponse):
    """JSON that people can read."""

    def render(self, content):
        return json.dumps(content, indent=1, sort_keys=True).encode()


def everything():
    return SHELVES


SHELVES = [{"book": n, "shelf": n % 97, "title": f"Title {n}"} for n in range(40_000)]
