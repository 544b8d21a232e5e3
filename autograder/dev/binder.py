"""``./course binder-link``: print the URL that opens this clone's repository on Binder."""

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
# The forms of a git remote: https://host/path, ssh://git@host:port/path and git@host:path.
REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/]*@)?([\w.-]+)(?::\d+)?/|(?:[\w.-]+@)?([\w.-]+):(?!/))(.+?)(?:\.git)?/?"
)


def main(root: Path = ROOT) -> int:
    """Print the link and the badge for the remote ``origin``. Return an exit code."""
    link = link_for(origin(root))
    print(link)
    print(f"\n[![Open on Binder](https://mybinder.org/badge_logo.svg)]({link})")
    return 0


def origin(root: Path) -> str:
    """Return the URL of the clone's remote ``origin``. Raise `SetupError` if it has none, or git isn't installed."""
    try:
        done = subprocess.run(["git", "remote", "get-url", "origin"], cwd=root, capture_output=True, text=True)
    except OSError:
        raise SetupError(
            "git isn't installed, so this clone's remote can't be read: install git, then run this again."
        ) from None
    if done.returncode:
        raise SetupError("This clone has no remote named origin: push it to a public repository first.")
    return done.stdout.strip()


def link_for(remote: str, branch: str = "HEAD") -> str:
    """Return the Binder URL of a git remote, in the form that Binder's provider for that host expects.

    It contains no credentials of the remote's URL. Raise `SetupError` for a remote that Binder can't reach.
    """
    match = REMOTE.fullmatch(remote)
    host, path = (match[1] or match[2], match[3]) if match else ("", "")
    if "." not in host:
        raise SetupError(f"Binder can't fetch {_without_password(remote)}: origin must be a public URL.")
    if host == "github.com":
        provider = f"gh/{path}"
    elif host == "gitlab.com":
        provider = f"gl/{quote(path, safe='')}"
    else:
        provider = f"git/{quote(f'https://{host}/{path}', safe='')}"
    return f"{BINDER}/{provider}/{branch}?urlpath={START}"


def _without_password(remote: str) -> str:
    """Return the URL without its user name and password."""
    return re.sub(r"://[^@/]*@", "://", remote)
