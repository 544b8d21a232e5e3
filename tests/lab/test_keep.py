"""%%keep: the cell is the file, and nothing of it is run."""

import pytest

from autograder.lab import magics


def test_the_cell_is_the_file_line_by_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    magics.keep("findings.txt", "library.py:1\nraise SystemExit\n")
    assert (tmp_path / "findings.txt").read_text().splitlines()[1:] == ["library.py:1", "raise SystemExit"]
    assert "findings.txt is saved" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["", "a.txt b.txt", "run.sh", "../up.txt", "/tmp/x.py", "a/b.txt", ".hidden.txt", "find'ings.txt"]
)
def test_other_names_are_refused_in_a_sentence(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    magics.keep(line, "x")
    assert "Write the name of a file behind %%keep" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["json.py", "redis.py", "yaml.py", "autograder.py", "workshop.py"])
def test_a_module_that_would_hide_a_library_is_refused(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    magics.keep(name, "x = 1")
    assert "would hide the library" in capsys.readouterr().out and not list(tmp_path.iterdir())
    (tmp_path / "bank.py").write_text("x = 1")
    magics.keep("bank.py", "x = 2")  # a file beside the notebook hides nothing
    assert "bank.py is saved" in capsys.readouterr().out


def test_an_app_with_half_a_quotation_mark_in_its_name_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    magics.app("brew's.py", "x = 1")
    assert "Write the file's name behind %%app" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").mkdir()
    magics.keep("x.txt", "x")
    assert "could not be saved here" in capsys.readouterr().out
