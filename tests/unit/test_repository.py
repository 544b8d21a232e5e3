"""What the hosts of a repository read: workflows, Renovate's and pre-commit's configuration."""

import re
import subprocess
import sys

import pytest
import yaml

from autograder import paths

WORKFLOWS = sorted((paths.ROOT / ".github" / "workflows").glob("*.yml"))


def check(schema, *files):
    """Validate files with a schema that check-jsonschema brings along, so without a network."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    return subprocess.run(command, capture_output=True, text=True)


def test_workflows_fit_their_schema():
    done = check("vendor.github-workflows", *WORKFLOWS)
    assert done.returncode == 0, done.stdout


def test_schema_notices_a_wrong_workflow(tmp_path):
    wrong = tmp_path / "test.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs_on:"))
    assert check("vendor.github-workflows", wrong).returncode == 1


def test_renovate_fits_its_schema():
    done = check("vendor.renovate", paths.ROOT / ".github" / "renovate.json")
    assert done.returncode == 0, done.stdout


def test_every_supported_python_is_tested():
    jobs = yaml.safe_load((paths.ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    locked = re.search(r"^PYTHONS = \((.*)\)$", (paths.ROOT / "autograder/dev/lockfiles.py").read_text(), re.M)[1]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == re.findall(r"[\d.]+", locked)


def test_pre_commit_has_locked_ruff():
    """pre-commit runs the version of ruff that the lock has."""
    hooks = yaml.safe_load((paths.ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    locked = re.search(r"^ruff==(\S+)", (paths.ROOT / "lock" / "course.txt").read_text(), re.M)[1]
    assert hooks[0]["rev"] == f"v{locked}"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_run_commands_that_exist(file):
    from autograder import cli

    for words in re.findall(r"(?:\./course|python course) ([^\n|]*)", file.read_text()):
        if words != "--help":
            assert cli.parse(words.split())
