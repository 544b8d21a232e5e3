"""%%keep: the cell is the file, and nothing of it is run."""

import pytest

from autograder.lab import magics


def test_kept_cell_keeps_its_lines(tmp_path, monkeypatch, capsys):
    """The file that %%keep saves has the cell's lines under the same numbers."""
    monkeypatch.chdir(tmp_path)
    magics.keep("findings.txt", "library.py:1\nraise SystemExit\n")
    assert (tmp_path / "findings.txt").read_text().splitlines()[1:] == ["library.py:1", "raise SystemExit"]
    assert "findings.txt is saved" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["", "a.txt b.txt", "run.sh", "../up.txt", "/tmp/x.py", "a/b.txt", ".hidden.txt", "find'ings.txt"]
)
def test_invalid_file_names_are_refused(line, tmp_path, monkeypatch, capsys):
    """A name that is not a plain file name is refused with one message."""
    monkeypatch.chdir(tmp_path)
    magics.keep(line, "x")
    assert "Write the name of a file behind %%keep" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["json.py", "redis.py", "yaml.py", "autograder.py", "workshop.py"])
def test_shadowing_a_library_is_refused(name, tmp_path, monkeypatch, capsys):
    """A file that would hide an installed library is refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    magics.keep(name, "x = 1")
    assert "would hide the library" in capsys.readouterr().out and not list(tmp_path.iterdir())
    (tmp_path / "bank.py").write_text("x = 1")
    magics.keep("bank.py", "x = 2")  # a file beside the notebook hides nothing
    assert "bank.py is saved" in capsys.readouterr().out


def test_quote_in_file_name_refused(tmp_path, monkeypatch, capsys):
    """A file name with an unmatched quotation mark is refused with one message."""
    monkeypatch.chdir(tmp_path)
    magics.app("brew's.py", "x = 1")
    assert "Write the file's name behind %%app" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_unwritable_file_is_reported(tmp_path, monkeypatch, capsys):
    """A file that can't be written is reported in one message."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").mkdir()
    magics.keep("x.txt", "x")
    assert "could not be saved here" in capsys.readouterr().out
