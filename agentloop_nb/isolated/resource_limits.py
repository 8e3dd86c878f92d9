"""What an isolated process may use."""

from __future__ import annotations

from dataclasses import dataclass

from agentloop_nb.errors import UserError

GB = 2**30


@dataclass(frozen=True)
class Limits:
    """Bounds of one isolated kernel and of what it starts."""

    memory: int = 4 * GB
    """Bytes of data each process may hold, and all of them together."""
    cpu: int = 14_400
    """Seconds of processor time of each process."""
    processes: int = 64
    """Processes that may run at the same time."""
    file: int = 2 * GB
    """Bytes of one file."""


_UNITS = {"memory": GB, "cpu": 1, "processes": 1, "file": GB}
_LEAST = {"memory": GB // 4, "cpu": 5, "processes": 1, "file": 2**20}
"""What a kernel itself needs to start."""


def parse_limits(text: str) -> Limits:
    """Read `memory=2,cpu=600,processes=32,file=1`: gigabytes, seconds, a number. Raises `UserError`."""
    given: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, amount = (word.strip() for word in part.partition("="))
        try:
            value = float(amount) * _UNITS[name]
        except (ValueError, KeyError):
            value = -1.0
        if not 0 <= value < 2**62:
            raise UserError(f"--limits takes memory, cpu, processes and file, like memory=2,cpu=600; not {part!r}")
        if value < _LEAST[name]:
            raise UserError(f"{part} is too little for a kernel; it needs {name}={_LEAST[name] / _UNITS[name]:.3g}")
        given[name] = int(value)
    return Limits(**given)
