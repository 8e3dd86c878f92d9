"""Hand values over to an isolated process and back, each in a file of a folder that both may read."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agentloop_nb.isolated.codec import Builder
from agentloop_nb.isolated.connection import Connection, Died, Garbled
from agentloop_nb.isolated.unsupported import Refused

Packed = Mapping[str, tuple[str, bytes]]
"""How (`pickle`, `source`) and what, by name."""
_REASONS = TypeAdapter(dict[str, str])


def hand_in(line: Connection, luggage: Packed, memory: int | None) -> dict[str, str]:
    """Give a process its luggage; return what it could not unpack, with the reason. Raises what a call raises."""
    with tempfile.TemporaryDirectory(dir=line.private) as place:
        items = []
        for number, (name, (kind, content)) in enumerate(luggage.items()):
            file = Path(place, str(number))
            file.write_bytes(content)
            items.append((name, kind, str(file)))
        return _REASONS.validate_python(line.call("unpack", items=items, memory=memory))


def hand_out(line: Connection, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return copies of values, and the names of those that were refused with the reason. Nothing is unpickled."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=line.private) as place:
        refused = pack(line, names, Path(place))
        for number, name in enumerate(names):
            try:
                if name not in refused:
                    found[name] = Builder(Path(place, str(number))).load("value.json")
            except Refused as error:
                refused[name] = str(error)
    return found, refused


def pack(line: Connection, names: Sequence[str], folder: Path) -> dict[str, str]:
    """Have values written as data, each to a folder named by its number. Returns the refused, with the reason."""
    try:
        told = _REASONS.validate_python(line.call("pack", names=list(names), folder=str(folder)))
    except (Died, Garbled, ValidationError) as error:
        return dict.fromkeys(names, f"its kernel does not hand it over: {error}")
    return {name: why for name, why in told.items() if name in names}
