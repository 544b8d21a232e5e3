"""The link that opens a clone's own repository on Binder."""

import subprocess

import pytest

from autograder.dev import binder
from autograder.errors import SetupError

END = "/HEAD?urlpath=lab/tree/notebooks/00_start_here/lesson_00_start_here.ipynb"


@pytest.mark.parametrize(
    ("remote", "provider"),
    [
        ("https://github.com/ada/tea.git", "gh/ada/tea"),
        ("https://github.com/ada/tea/", "gh/ada/tea"),
        ("git@github.com:ada/tea.git", "gh/ada/tea"),
        ("ssh://git@github.com:22/ada/tea.git", "gh/ada/tea"),
        ("https://ada:secret@github.com/ada/tea.git", "gh/ada/tea"),
        ("https://gitlab.com/group/sub/tea.git", "gl/group%2Fsub%2Ftea"),
        ("git@git.example.org:ada/tea.git", "git/https%3A%2F%2Fgit.example.org%2Fada%2Ftea"),
    ],
)
def test_link_fits_each_address(remote, provider):
    """Each kind of remote address gives the link of its provider."""
    assert binder.link_for(remote) == f"https://mybinder.org/v2/{provider}{END}"


@pytest.mark.parametrize("remote", ["/work/tea", "../tea", "file:///work/tea", "https://ada:secret@localhost/tea"])
def test_private_address_is_refused(remote):
    with pytest.raises(SetupError, match="must be a public URL") as caught:
        binder.link_for(remote)
    assert "secret" not in str(caught.value)


def test_link_names_the_clones_remote(tmp_path, capsys):
    """The link is made from the clone's own remote; without one the message says so."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(SetupError, match="no remote named origin"):
        binder.main(tmp_path)
    subprocess.run(["git", "remote", "add", "origin", "git@github.com:ada/tea.git"], cwd=tmp_path, check=True)
    assert binder.main(tmp_path) == 0
    link, badge = capsys.readouterr().out.split("\n\n")
    assert link == f"https://mybinder.org/v2/gh/ada/tea{END}" and f"({link})" in badge
