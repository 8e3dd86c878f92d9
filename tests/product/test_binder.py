"""What Binder is given. `.ci/run` builds an environment from it for real; here is what repo2docker does not catch."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

BINDER = Path(__file__).parents[2] / "binder"


def test_there_is_one_way_to_say_what_is_needed():
    assert sorted(path.name for path in BINDER.iterdir()) == ["postBuild", "requirements.txt", "runtime.txt"]


def test_the_requirements_are_this_package_with_what_its_notebooks_need():
    assert BINDER.joinpath("requirements.txt").read_text().split() == [".[notebooks,sql]"]
    project = tomllib.loads(BINDER.parent.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = " ".join(each for extra in ("notebooks", "sql") for each in project["optional-dependencies"][extra])
    assert all(package in needed for package in ("pandas", "matplotlib", "duckdb"))
    assert BINDER.joinpath("runtime.txt").read_text().strip() == "python-3.11"


def test_post_build_is_executable_and_valid():
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
