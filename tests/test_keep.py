"""%%keep: the cell is the file, and nothing of it is run."""

import pytest

from autograder.lab import magic


def test_the_cell_is_the_file_line_by_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    magic.keep("findings.txt", "library.py:1\nraise SystemExit\n")
    assert (tmp_path / "findings.txt").read_text().splitlines()[1:] == ["library.py:1", "raise SystemExit"]
    assert "findings.txt is saved" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["", "a.txt b.txt", "run.sh", "../up.txt", "/tmp/x.py", "a/b.txt", ".hidden.txt"])
def test_other_names_are_refused_in_a_sentence(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    magic.keep(line, "x")
    assert "Write the name of a file behind %%keep" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_module_that_would_hide_a_library_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    magic.keep("json.py", "x = 1")
    assert "would hide the library" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").mkdir()
    magic.keep("x.txt", "x")
    assert "could not be saved here" in capsys.readouterr().out
