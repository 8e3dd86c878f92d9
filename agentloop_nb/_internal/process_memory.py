"""How much memory a process holds."""

from __future__ import annotations


def resident_bytes(pid: int | None = None) -> int | None:
    """Bytes of memory a process (this one, if none is named) holds now; None where the system does not tell."""
    try:
        import psutil
    except ImportError:  # in a browser
        return None
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def in_words(size: int) -> str:
    """`512 MB`, `1.3 GB`: coarse enough to stand still while nothing happens."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
