"""The files a run left in its folder, as rows of a page: each with a preview and a link that downloads it."""

from __future__ import annotations

import base64
import mimetypes
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from agentloop_nb.export import Hiding, known_mask
from agentloop_nb.notebook.panel.safe_text import escape
from agentloop_nb.safety.secret_files import gives_away, looks_secret

MAX_FILE = 10 * 2**20
"""Bytes of a file that can be downloaded from the page."""
MAX_PAGE = 40 * 2**20
"""Characters of all rows together: what a page can take, and a kernel can send it."""
MAX_ROWS = 200
"""Files that are listed."""
PREVIEWED = 20_000
"""Characters of a text file that are shown."""
_PREVIEW = "max-height:24em;overflow:auto;font-family:monospace;font-size:12px;line-height:1.4"
_BUTTON = (
    "display:inline-block;margin:0 8px 4px 0;padding:4px 12px;border:1px solid;border-radius:3px;text-decoration:none"
)
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
"""Shown as pictures: in one an SVG runs no script and fetches nothing."""


def rows(folder: Path, first: Collection[str] = (), offered: Collection[str] = ()) -> Iterator[str]:
    """HTML rows of the files below a folder, `first` before the others, without those `offered` elsewhere on the page.

    What is left out is named, with the reason.
    """
    names = sorted(set(_names(folder)).difference(offered), key=lambda name: (name not in first, name))
    left, hides = MAX_PAGE, Hiding(known_mask()).hides
    for name in names[:MAX_ROWS]:
        row = _row(folder / name, name, left, hides)
        left -= len(row)
        yield row
    if len(names) > MAX_ROWS:
        yield _told(f"{len(names) - MAX_ROWS:,} more files", "not listed; they lie in the folder of this visit")


def _names(folder: Path) -> Iterator[str]:
    """Yield paths below the folder, relative to it; nothing hidden, nothing behind a link."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        linked = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *linked):
            if not name.startswith("."):
                yield Path(place, name).relative_to(folder).as_posix()


def _row(path: Path, name: str, left: int, hides: Callable[[str], bool]) -> str:
    data = _content(path, name, hides)
    if isinstance(data, str):
        return _told(name, data)
    row = _card(name, data)
    return row if len(row) <= left else _told(name, f"{len(data):,} bytes, left out: this page holds no more")


def _content(path: Path, name: str, hides: Callable[[str], bool]) -> bytes | str:
    """Return what a file holds, or why that is not handed out."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return "a link, which is not followed" if path.is_symlink() else "not a regular file"
        if found.st_size > MAX_FILE:
            return f"{found.st_size:,} bytes, too large to download from here"
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror or type(error).__name__}"
    if looks_secret(name) or gives_away(data, hides):
        return "left out: it holds a secret of this machine, or what looks like one"
    return data


def _told(name: str, why: str) -> str:
    return f"<p><b>{escape(name)}</b> ({escape(why)})</p>"


def _card(name: str, data: bytes) -> str:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    encoded = base64.b64encode(data).decode()
    link = _link(name, encoded, "Download", "text-decoration:underline")
    head = f"<b>{escape(name)}</b> ({len(data):,} bytes) {link}"
    return f"<div>{head}<details><summary>Preview</summary>{_preview(kind, data, encoded)}</details></div>"


def button(path: Path, told: str) -> str:
    """Return a link that downloads a file and looks like a button; empty where the list does not hand it out."""
    data = _content(path, path.name, Hiding(known_mask()).hides)
    return "" if isinstance(data, str) else _link(path.name, base64.b64encode(data).decode(), told, _BUTTON)


def _link(name: str, encoded: str, told: str, style: str) -> str:
    address = f'download="{escape(name)}" href="data:application/octet-stream;base64,{encoded}"'
    return f'<a style="{style}" {address}>{escape(told)}</a>'


def _preview(kind: str, data: bytes, encoded: str) -> str:
    if kind in _PICTURES:
        return f'<img alt="" style="max-width:100%" src="data:{kind};base64,{encoded}">'
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "<p>No preview of this kind of file.</p>"
    more = f"\n[… {len(text) - PREVIEWED:,} more characters]" if len(text) > PREVIEWED else ""
    return f'<pre tabindex="0" style="{_PREVIEW}">{escape(text[:PREVIEWED] + more)}</pre>'
