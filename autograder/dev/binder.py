"""``./course binder-link``: the address that opens this clone's own repository on Binder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import quote

from autograder.dev.jupyterlab import FIRST
from autograder.errors import SetupError
from autograder.paths import ROOT

BINDER = "https://mybinder.org/v2"
START = f"lab/tree/notebooks/{FIRST}"
# How addresses of git repositories are written: https://host/path, ssh://git@host:port/path and git@host:path.
REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/]*@)?([\w.-]+)(?::\d+)?/|(?:[\w.-]+@)?([\w.-]+):(?!/))(.+?)(?:\.git)?/?"
)


def main(root: Path = ROOT) -> int:
    """Print the link and the badge for ``origin``."""
    link = link_for(origin(root))
    print(link)
    print(f"\n[![Open on Binder](https://mybinder.org/badge_logo.svg)]({link})")
    return 0


def origin(root: Path) -> str:
    """The address of the clone's remote ``origin``; raise `SetupError` if it has none."""
    try:
        asked = subprocess.run(["git", "remote", "get-url", "origin"], cwd=root, capture_output=True, text=True)
    except OSError:
        raise SetupError("git isn't installed, so this clone's own origin is unknown.") from None
    if asked.returncode:
        raise SetupError("This clone has no remote named origin: push it to a public repository first.")
    return asked.stdout.strip()


def link_for(remote: str, branch: str = "HEAD") -> str:
    """The Binder address for a repository's address, in the form that the host's Binder provider expects.

    Credentials in the address don't get into the link. Raises `SetupError` for an address that Binder can't reach.
    """
    match = REMOTE.fullmatch(remote)
    host, path = (match[1] or match[2], match[3]) if match else ("", "")
    if "." not in host:
        raise SetupError(f"Binder can't fetch {_without_password(remote)}: origin must be a public address.")
    if host == "github.com":
        provider = f"gh/{path}"
    elif host == "gitlab.com":
        provider = f"gl/{quote(path, safe='')}"
    else:
        provider = f"git/{quote(f'https://{host}/{path}', safe='')}"
    return f"{BINDER}/{provider}/{branch}?urlpath={START}"


def _without_password(remote: str) -> str:
    return re.sub(r"://[^@/]*@", "://", remote)
