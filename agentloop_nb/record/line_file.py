"""A file of lines that is appended to: reading and writing at a place, and where the last whole line ends."""

from __future__ import annotations

import json
import os


def write_at(file: int, data: bytes, place: int) -> int:
    """Write at a place; return how many bytes were taken. Raises `OSError`."""
    os.lseek(file, place, os.SEEK_SET)
    return os.write(file, data)


def read_at(file: int, size: int, place: int) -> bytes:
    """Read `size` bytes, or all there are."""
    os.lseek(file, place, os.SEEK_SET)
    parts = []
    while size > 0 and (part := os.read(file, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def settle_end(file: int) -> int:
    """Return where the next line goes: after the last whole one. A whole line that lacks its break is given it."""
    size = end = os.fstat(file).st_size
    whole = 0
    while end > 0 and not whole:
        start = max(end - 65536, 0)
        whole = start + read_at(file, end - start, start).rfind(b"\n") + 1
        end, whole = start, whole if whole > start else 0
    tail = read_at(file, size - whole, whole)
    try:
        json.loads(tail)
    except ValueError:
        return whole
    return size + write_at(file, b"\n", size)
