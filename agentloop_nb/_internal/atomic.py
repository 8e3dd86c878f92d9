"""Atomic writes: a file is as it was, or as it shall be, and never half of that."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace(target: Path, data: bytes, *, mode: int | None = None, durable: bool = False) -> None:
    """Write a file beside the target, then let it take the target's place in one step. Raises `OSError`.

    Without a `mode` only the user may read it. `durable` waits until the disk has it.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".agentloop-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if mode is not None:
            Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
