"""Binder, the class image and the dev container are made from the files that everything else is made from."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from autograder import paths
from autograder.dev.lockfiles import problems

ROOT = paths.ROOT
BINDER = ROOT / "binder"
# Everything that repo2docker looks for in binder/. What is not there cannot take over unseen.
KNOWN = {"Dockerfile", "environment.yml", "requirements.txt", "Pipfile", "Pipfile.lock", "setup.py", "Project.toml",
         "REQUIRE", "install.R", "DESCRIPTION", "default.nix", "apt.txt", "runtime.txt", "postBuild", "start"}  # fmt: skip
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_repo2docker_finds_only_our_files():
    """repo2docker finds the files that we mean, with the links and modes that git keeps, and nothing else."""
    assert {file.name for file in BINDER.iterdir()} & KNOWN == {"environment.yml", "postBuild", "start"}
    assert not (ROOT / ".binder").exists(), "it would be a second place to look"
    # a release that is downloaded, and a clone on Windows, have links as git keeps them
    said = subprocess.run(["git", "ls-files", "-s", "binder"], cwd=ROOT, capture_output=True, text=True, check=True)
    modes = {line.split("\t")[1]: line[:6] for line in said.stdout.splitlines()}
    assert modes == {
        "binder/environment.yml": "120000",
        "binder/lock": "120000",
        "binder/postBuild": "100755",
        "binder/start": "100755",
    }


def test_the_environment_is_the_lock():
    told = yaml.safe_load((BINDER / "environment.yml").read_text())
    assert told["channels"] == ["conda-forge"]
    conda = [entry for entry in told["dependencies"] if isinstance(entry, str)]
    assert [re.split(r"[=<>]", entry)[0] for entry in conda] == ["python", "pip"], "conda brings Python, no more"
    (pip,) = [entry["pip"] for entry in told["dependencies"] if isinstance(entry, dict)]
    (line,) = pip
    assert (BINDER / line.removeprefix("-r ")).resolve() == (ROOT / "lock" / "course.txt").resolve()
    assert problems(ROOT) == []


def test_image_scripts_run_anywhere(tmp_path):
    """A copy of the clone in another folder imports its own code, in an environment that can't be written to."""
    repo = tmp_path / "jovyan"
    subprocess.run(["git", "clone", "-q", ROOT, repo], check=True)
    for name in ("postBuild", "start"):  # as they are now, committed or not
        (repo / "binder" / name).write_text((BINDER / name).read_text())
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", tmp_path / "env"], check=True
    )
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(("COURSE", "JUPYTER", "PYTHON", "VIRTUAL"))}  # fmt: skip
    environment |= {"PATH": f"{tmp_path / 'env' / 'bin'}:{environment['PATH']}", "REPO_DIR": str(repo)}
    # its packages are those of our environment, without the line that would bring our own clone
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    ours = subprocess.run([sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    for package in os.listdir(ours):
        if not package.endswith(".pth") and not (site / package).exists():
            (site / package).symlink_to(os.path.join(ours, package))
    subprocess.run([repo / "binder" / "postBuild"], cwd=repo, env=environment, check=True)
    question = "import os, autograder; print(autograder.__file__, os.environ['JUPYTER_CONFIG_PATH'])"
    for more, expected in (({}, ""), ({"COURSE_CLASS": "1"}, f"{repo}/autograder/jupyter/class:")):
        done = subprocess.run(
            [repo / "binder" / "start", "python", "-c", question],
            cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.split() == [f"{repo}/autograder/__init__.py", f"{expected}{repo}/autograder/jupyter"]


def test_class_sees_its_assignments():
    """A class sees the list of assignments; a learner on their own doesn't."""
    alone = json.loads((ROOT / "autograder/jupyter/labconfig/page_config.json").read_text())["disabledExtensions"]
    in_class = json.loads((ROOT / "autograder/jupyter/class/labconfig/page_config.json").read_text())[
        "disabledExtensions"
    ]
    assert all(alone[name] for name in in_class) and not any(in_class.values())


def test_class_image_copies_existing_files():
    """The image for a class copies only files that exist and has the same Python as Binder."""
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][0]
    assert re.search(r"^FROM python:([\d.]+)-slim$", DOCKERFILE, re.M)[1] == conda.removeprefix("python=")
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.M):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    assert "--require-hashes -r lock/course.txt" in DOCKERFILE
    assert re.search(r"^USER jovyan$", DOCKERFILE, re.M)
    (entry,) = re.findall(r"^ENTRYPOINT (\[.+\])$", DOCKERFILE, re.M)
    (script,) = json.loads(entry)
    assert os.access(ROOT / script, os.X_OK)
    command = json.loads(re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.M)[1])
    page = next(word for word in command if "default_url" in word).split("/lab/tree/")[1]
    assert (ROOT / page).is_file()


def test_image_build_leaves_out_caches():
    """Building the image leaves out git's data, the environment and built files."""
    left_out = (ROOT / ".dockerignore").read_text().split()
    for folder in (".git", ".course", ".build"):
        assert folder in left_out


def test_dev_container_uses_class_image():
    """The dev container builds from the class image and runs a command that exists."""
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / told["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    words = shlex.split(told["postAttachCommand"])
    assert (ROOT / words[0]).exists()
    from autograder import cli

    assert cli.parse(words[1:]).command == "lab"
    assert told["remoteUser"] in DOCKERFILE


@pytest.mark.parametrize("page", ["docs/binder.md"])
def test_links_open_the_first_notebook(page):
    """Each link that opens JupyterLab leads to a notebook that exists."""
    text = (ROOT / page).read_text().replace("\n  &", "&").replace("%2F", "/")
    links = re.findall(r"urlpath=lab/tree/(?:never-block-the-event-loop/)?([\w/.]+\.ipynb)", text)
    assert links
    for link in links:
        assert (ROOT / link).is_file(), link
