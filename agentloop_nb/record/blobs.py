"""Long texts of a record, kept once each in content-addressed files beside it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from agentloop_nb._internal import atomic
from agentloop_nb._internal.links import link_in, refuse_links

LONG = 64 * 1024
"""Characters from which a text leaves the record's line for a file of its own."""
MAX_KEPT = 32 * 1024 * 1024
"""Characters of one text that are kept at all; of a longer one only the beginning."""

_KEY = "$blob"
_VALUE = "$value"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REFERENCE = re.compile(rb'"\$blob": "([0-9a-f]{64})"')


def folder_of(record: Path) -> Path:
    """Where the long texts of a record lie: `.agentloop/blobs` for a record in `.agentloop/runs`."""
    home = record.parent.parent if record.parent.name == "runs" else record.parent
    return home / "blobs"


def take_out(value: Any, folder: Path, sizes: dict[str, int]) -> Any:
    """Return `value` with its long texts replaced by references, and write these texts. Raises `OSError`.

    Their sizes in bytes are added to `sizes`, digest -> size.
    """
    if isinstance(value, str):
        return {_KEY: _write(value, folder, sizes)} if len(value) >= LONG else value
    if isinstance(value, list):
        return [take_out(item, folder, sizes) for item in value]
    if isinstance(value, dict):
        inner = {key: take_out(item, folder, sizes) for key, item in value.items()}
        return {_KEY: None, _VALUE: inner} if _KEY in value else inner
    return value


def put_back(value: Any, folder: Path) -> Any:
    """Undo `take_out`. A text whose file is missing or changed is replaced by a line that says so."""
    if isinstance(value, list):
        return [put_back(item, folder) for item in value]
    if isinstance(value, dict):
        if _KEY not in value:
            return {key: put_back(item, folder) for key, item in value.items()}
        if value[_KEY] is None and isinstance(value.get(_VALUE), dict):
            return {key: put_back(item, folder) for key, item in value[_VALUE].items()}
        return _read(str(value[_KEY]), folder)
    return value


def write(text: str, folder: Path) -> str:
    """Keep a text, and return its digest. Raises `OSError`."""
    return _write(text, folder, {})


def read(digest: str, folder: Path) -> str | None:
    """Return a text that was kept; None if it is missing or changed."""
    text = _read(digest, folder)
    return text if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == digest else None


def sizes(record: bytes, folder: Path) -> dict[str, int]:
    """Return the long texts that a record refers to, digest -> size in bytes."""
    digests = {digest.decode() for digest in _REFERENCE.findall(record)}
    return {digest: (folder / digest).stat().st_size for digest in digests if (folder / digest).is_file()}


def _write(text: str, folder: Path, sizes: dict[str, int]) -> str:
    if len(text) > MAX_KEPT:
        text = f"{text[:MAX_KEPT]}\n[… {len(text) - MAX_KEPT:,} more characters were not kept …]"
    content = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(content).hexdigest()
    path = folder / digest
    refuse_links(path)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        atomic.replace(path, content)
    sizes[digest] = len(content)
    return digest


def _read(digest: str, folder: Path) -> str:
    if not _DIGEST.fullmatch(digest):
        return "[a long text that was not kept]"
    try:
        path = folder / digest
        known = path.is_file() and not link_in(path) and not path.is_symlink() and path.stat().st_size <= 5 * MAX_KEPT
        content = path.read_bytes() if known else b""
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != digest:
        return f"[a long text that is missing from the record: blobs/{digest[:12]}…]"
    return content.decode("utf-8", "surrogatepass")
