"""Where an export goes: to a new file or over an earlier export, never over anything else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import UserError

SCRIPT_MARK = "# Written by agentloop_nb: exporting to this name again replaces this file."
"""First line of a script."""
MARKDOWN_MARK = "<!-- Written by agentloop_nb: exporting to this name again replaces this file. -->"
"""First line of a report in Markdown."""
PAGE_MARK = '<meta name="generator" content="agentloop-nb">'
"""Stands at the beginning of a page's head; nbconvert may write its attributes in another order."""

_PAGE_HEAD = 1024
_PAGE = re.compile(rb'<meta (?:name="generator" content="agentloop-nb"|content="agentloop-nb" name="generator") ?/?>')


def checked(destination: str | Path) -> Path:
    """Return the absolute path of an export. Raises `UserError` where none can go, or none of ours was before."""
    path = typed_path(destination).absolute()
    if path.suffix not in _MARKED:
        raise UserError(f"an export is a notebook, a script or a report: name it {path.stem}.ipynb, .py, .html or .md")
    refuse_theirs(path)
    return path


def checked_report(destination: str | Path) -> Path:
    """Return the absolute path of a report. Raises `UserError`."""
    path = typed_path(destination).absolute()
    if path.suffix not in (".html", ".md"):
        raise UserError(f"a report is a page or Markdown: name it {path.stem}.html or {path.stem}.md")
    return checked(path)


def refuse_theirs(path: Path) -> None:
    """Raise `UserError` if something is there that this package did not write. Without a known suffix a page is."""
    try:
        ours = not path.exists() or (path.is_file() and _MARKED.get(path.suffix, _is_page)(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); name another file") from None
    if not ours:
        raise UserError(
            f"{path} is there already, was not written by an export, and stays as it is; "
            f"name another file (such as {path.stem}-run{path.suffix}), or move that one away"
        )


def _is_notebook(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes())["metadata"]["agentloop"], dict)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_script(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(len(SCRIPT_MARK) + 1).rstrip(b"\r\n") == SCRIPT_MARK.encode()


def _is_markdown(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(len(MARKDOWN_MARK)) == MARKDOWN_MARK.encode()


def _is_page(path: Path) -> bool:
    with path.open("rb") as content:
        return bool(_PAGE.search(content.read(_PAGE_HEAD)))


_MARKED = {".ipynb": _is_notebook, ".py": _is_script, ".html": _is_page, ".md": _is_markdown}
"""How a file tells that an export of ours wrote it."""
