"""What the user allowed, each thing in a file of its own, outside of all working folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentloop_nb._internal import atomic
from agentloop_nb.errors import UserError
from agentloop_nb.record.trust import data_folder


def kept(kind: str, identity: Sequence[str]) -> Mapping[str, Any]:
    """Return what was kept of a consent; empty where none was given, or what is there cannot be read."""
    path = _path(kind, identity)
    try:
        found = json.loads(path.read_bytes()) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(kind: str, identity: Sequence[str], content: Mapping[str, Any]) -> None:
    """Keep a consent. Raises `UserError`."""
    path = _path(kind, identity)
    if path is None:
        raise UserError("there is no place outside the folder to keep what you allow; set XDG_DATA_HOME to one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic.replace(path, json.dumps(content).encode())
    except OSError as error:
        raise UserError(f"{path.parent} cannot be written ({error.strerror}), so nothing was allowed") from None


def forget(kind: str, identity: Sequence[str]) -> bool:
    """Take a consent back; False where there was none."""
    path = _path(kind, identity)
    if path is None or not path.exists():
        return False
    path.unlink()
    return True


def _path(kind: str, identity: Sequence[str]) -> Path | None:
    folder = data_folder()
    name = hashlib.sha256(json.dumps(list(identity)).encode()).hexdigest()[:40]
    return folder and folder / kind / f"{name}.json"
