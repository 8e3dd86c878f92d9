"""Writing files: inside one folder whatever the name says, whole or not at all, the previous version kept."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import unicodedata
from collections.abc import Collection
from pathlib import Path

from agentloop_nb._internal import atomic
from agentloop_nb._internal.links import refuse_links
from agentloop_nb._internal.steering_files import PRIVATE, folded, steers
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import WrittenFile

MAX_BYTES = 50_000_000
"""Bytes of one written file."""
MAX_NAME = 255
"""Bytes of one name in a path; what common file systems take."""
MAX_PATH = 1024
"""Bytes of a whole path inside the folder."""
KEPT = Path(".agentloop") / "files"
"""Where previous versions lie, each named by the SHA-256 of its content."""

_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}
_FORBIDDEN = frozenset('<>:"|?*\\')


def write(folder: Path, filename: str, content: str, *, kept: Path | None = None) -> WrittenFile:
    """Write UTF-8 text to a file of the folder, making sub-folders. Raises `ActionFailed`; then nothing has changed.

    The version it replaces is kept under `kept` (default: `.agentloop/files` of the folder).
    """
    return place(folder, filename, _encoded(content), kept=kept)


def place(folder: Path, filename: str, data: bytes, *, kept: Path | None = None) -> WrittenFile:
    """Do what `write` does, with bytes of any kind and size."""
    relative = safe_name(filename)
    target = _target(folder, relative)
    for name in (relative, target.relative_to(folder.resolve()).as_posix()):
        if steers(name):
            raise ActionFailed(
                f"{name!r} tells an agent, an editor or Python what to do, so write_file does not write it; "
                "choose another name, or write it by code, which the user is asked about."
            )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        previous = _keep(target, kept or folder / KEPT)
        _replace(target, data)
    except OSError as error:
        raise ActionFailed(_explain(relative, error)) from error
    return WrittenFile(
        path=relative,
        size=len(data),
        replaced=previous is not None,
        sha256=hashlib.sha256(data).hexdigest(),
        previous=previous,
    )


def restore(folder: Path, written: WrittenFile, *, kept: Path | None = None) -> None:
    """Undo a write: put the previous version back, or remove the file that was new. Raises `ActionFailed`.

    A file changed since is left alone.
    """
    target = _target(folder, safe_name(written.path))
    if not target.exists() or fingerprint(target) != written.sha256:
        raise ActionFailed(f"{written.path!r} was changed or removed since it was written; it is left as it is.")
    try:
        if written.previous is None:
            target.unlink()
        else:
            _replace(target, kept_version((kept or folder / KEPT) / written.previous))
    except OSError as error:
        raise ActionFailed(_explain(written.path, error)) from error


def foreign(folder: Path, filename: str, known_hashes: Collection[str]) -> bool:
    """Whether writing would replace a file that no run wrote, or that someone changed since.

    `known_hashes` are the `WrittenFile.sha256` of all runs on record. A name that cannot be written is not foreign:
    `write` says what is wrong with it.
    """
    try:
        target = _target(folder, safe_name(filename))
        return target.is_file() and fingerprint(target) not in known_hashes
    except (ActionFailed, OSError):
        return False


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_name(filename: str) -> str:
    """Return a file name as a relative path with `/` between its parts. Raises `ActionFailed` for any other kind."""
    advice = "give a path inside the working folder, like 'data/result.csv'."
    if not filename.strip():
        raise ActionFailed(f"the file name is empty; {advice}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in filename):
        raise ActionFailed(f"the file name {filename!r} holds control characters; {advice}")
    if "\\" in filename:
        raise ActionFailed(f"{filename!r} has a backslash; put / between folders, and {advice}")
    if filename.startswith(("/", "~")) or filename[1:2] == ":":
        raise ActionFailed(f"{filename!r} leads out of the working folder; {advice}")
    if filename.endswith("/"):
        raise ActionFailed(f"{filename!r} names a folder; {advice}")
    parts = [part for part in filename.split("/") if part not in ("", ".")]
    if not parts:
        raise ActionFailed(f"{filename!r} names a folder; {advice}")
    for part in parts:
        _check_part(part, filename)
    name = "/".join(parts)
    if len(name.encode()) > MAX_PATH:
        raise ActionFailed(f"the path is longer than {MAX_PATH} bytes; choose a shorter one.")
    return name


def _check_part(part: str, filename: str) -> None:
    plain = folded(part)
    if plain.strip(". ") == "" or "/" in plain:
        raise ActionFailed(f"{filename!r} leads out of the working folder; give a path inside it, without '..'.")
    if len(part.encode()) > MAX_NAME:
        raise ActionFailed(f"the name {part[:40]!r}... is longer than {MAX_NAME} bytes; choose a shorter one.")
    if part != part.strip() or part.endswith("."):
        raise ActionFailed(f"{part!r} begins or ends with a space or ends with a dot, which not every system keeps.")
    if _FORBIDDEN & set(part):
        raise ActionFailed(f"{part!r} holds one of {' '.join(sorted(_FORBIDDEN))}, which not every system allows.")
    if plain.split(".")[0].strip() in _DEVICES:
        raise ActionFailed(f"{part!r} is the name of a device on some systems; choose another one.")
    if plain in PRIVATE:
        raise ActionFailed(
            f"{part!r} belongs to the user's tools and is not written by write_file; choose another one."
        )


def _encoded(content: str) -> bytes:
    try:
        data = content.encode()
    except UnicodeEncodeError as error:
        raise ActionFailed(f"the content is no valid Unicode text at character {error.start}.") from error
    if len(data) > MAX_BYTES:
        raise ActionFailed(
            f"the content is {len(data):,} bytes; write_file writes at most {MAX_BYTES:,}. Make large files by code."
        )
    return data


def _target(folder: Path, relative: str) -> Path:
    """Return where the name really leads, links followed. Raises `ActionFailed` if that is not a place for a file."""
    root = folder.resolve()
    try:
        target = (root / relative).resolve()
    except (OSError, RuntimeError) as error:
        raise ActionFailed(f"{relative!r} cannot be followed: {error}.") from error
    if not target.is_relative_to(root) or target == root:
        raise ActionFailed(f"{relative!r} leads out of the working folder through a link; choose another name.")
    for part in target.relative_to(root).parts:
        _check_part(part, relative)
    for parent in target.parents:
        if parent.is_relative_to(root) and parent.exists() and not parent.is_dir():
            raise ActionFailed(
                f"{parent.relative_to(root).as_posix()!r} is a file, so nothing can be written below it."
            )
    if target.exists():
        _check_existing(target, relative)
    return target


def _check_existing(target: Path, relative: str) -> None:
    if target.is_dir():
        raise ActionFailed(f"{relative!r} is a folder; choose another name.")
    if not target.is_file():
        raise ActionFailed(f"{relative!r} is a device or a pipe; choose another name.")
    if not os.access(target, os.W_OK) or not stat.S_IMODE(target.stat().st_mode) & 0o222:
        raise ActionFailed(f"{relative!r} is write-protected; choose another name.")


def _keep(target: Path, kept: Path) -> str | None:
    """Keep a copy of the file that is about to be replaced; return its SHA-256, or None if there is none."""
    if not target.exists():
        return None
    refuse_links(kept)
    name = fingerprint(target)
    if not (kept / name).is_file() or fingerprint(kept / name) != name:
        kept.mkdir(parents=True, exist_ok=True)
        _replace(kept / name, target.read_bytes())
    return name


def kept_version(path: Path) -> bytes:
    """Return a kept version, as it was when it was kept.

    Raises `OSError` for one that was changed, or lies behind a link.
    """
    refuse_links(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.name:
        raise OSError("the version that was kept was changed since")
    return data


def _replace(target: Path, data: bytes) -> None:
    atomic.replace(target, data, mode=_mode(target), durable=True)


def _mode(target: Path) -> int:
    """Return the permissions a file has, or a new one would get."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _explain(relative: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{relative!r} was not written: the disk is full. Nothing was changed; free some space first."
    return f"{relative!r} was not written: {error.strerror or error}. Nothing was changed."
