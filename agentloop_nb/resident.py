"""How much memory a process holds."""

from __future__ import annotations

import os
from pathlib import Path


def resident_bytes(pid: int | None = None) -> int | None:
    """Bytes of memory a process (this one, if none is named) holds now; None where the system does not tell."""
    try:
        pages = Path(f"/proc/{pid or 'self'}/statm").read_bytes().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return _asked_of_psutil(pid)


def _asked_of_psutil(pid: int | None) -> int | None:
    """Outside Linux: psutil comes with every ipykernel."""
    try:
        import psutil  # type: ignore[import-untyped]  # comes with ipykernel
    except ImportError:
        return None
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def in_words(size: int) -> str:
    """`512 MB`, `1.3 GB`: coarse enough to stand still while nothing happens."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
