"""A folder that can be given away: the notebook, its input files, a pinned environment, and a Binder that runs it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from agentloop_nb._internal.markup import plain
from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import UserError
from agentloop_nb.safety.secret_files import gives_away, looks_secret

NOTEBOOK = "run.ipynb"

_REPOSITORY = re.compile(r"(?:(?:https?://|git@)?(?:www\.)?github\.com[/:])?([\w-]+/[\w.-]+?)(?:\.git)?/?", re.ASCII)

_README = """# {goal}

`run.ipynb` re-runs without a model, a key or agentloop_nb.

    pip install -r binder/requirements.txt jupyterlab
    jupyter lab run.ipynb

To check that it does what it says: `pip install agentloop-nb`, then `agentloop verify run.ipynb`.

[Open it on Binder](https://mybinder.org/v2/gh/{repository}/HEAD?labpath=run.ipynb){note}
"""


def plan(destination: Path, repository: str | None = None) -> Path:
    """Return where the notebook of a shared folder goes. Raises `UserError` where nothing can be shared."""
    destination = typed_path(destination).absolute()
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise UserError(f"{destination} holds something already; name a new folder to share")
    if repository is not None:
        _on_github(repository)
    return destination / NOTEBOOK


def surround(notebook: Path, repository: str | None = None) -> None:
    """Put beside a notebook what it needs elsewhere: a pinned environment, a Binder set-up, a word to the reader."""
    destination, name = notebook.parent, None if repository is None else _on_github(repository)
    ours = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["agentloop"]
    python = ".".join(ours["versions"]["python"].split(".")[:2])
    packages = [f"{name}=={version}" for name, version in ours["packages"].items()]
    readme = _README.format(
        goal=plain((ours["goal"].strip().splitlines() or ["A run"])[0]),
        repository=name or "OWNER/REPOSITORY",
        note="" if name else " — after you put this folder on GitHub and its name into this link.",
    )
    _write(destination / "binder" / "requirements.txt", "\n".join(["ipykernel", *packages]) + "\n")
    _write(destination / "binder" / "runtime.txt", f"python-{python}\n")
    _write(destination / "README.md", readme)


def refuse_leaks(folder: Path, hides: Callable[[str], bool]) -> None:
    """Look through a finished folder once more. Raises `UserError`, and takes it away, where a file holds a secret."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (looks_secret(name) or gives_away(path.read_bytes(), hides) or hides(name)):
            shutil.rmtree(folder)
            raise UserError(f"nothing was shared: {name} would have given away a secret, and {folder} was taken away")


def _on_github(repository: str) -> str:
    """`owner/name`, also from the address of a repository. Raises `UserError`."""
    found = _REPOSITORY.fullmatch(repository.strip())
    if found is None:
        raise UserError(f"{repository!r} names no repository on GitHub; write it as --repository OWNER/NAME")
    return found[1]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
