"""What ran before a run, kept once for all runs of a kernel: a record's first line refers to it.

A chain of content-addressed files beside the record: each holds what came since the one it names. Short histories stay
in the line itself, so that such a record is whole alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentloop_nb.record import blobs

SHORT = 4_000
"""Characters of earlier code and goals that stand in the first line itself."""
MAX_LINKS = 100_000
"""Files of one chain that are read at most."""

_KEY = "before"
_FIELDS = ("cells", "ran", "earlier_goals")

Json = dict[str, Any]


@dataclass
class _Chain:
    """What was written of one kernel's history into one folder."""

    items: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _FIELDS})
    links: list[tuple[dict[str, int], str]] = field(default_factory=list)
    """How much of each list a file and those before it hold, with its digest."""


_written: dict[Path, _Chain] = {}
"""The newest chain of this process, by folder."""


def take_out(started: Json, folder: Path) -> Json:
    """Return the first event with a long history replaced by a reference. Raises `OSError`."""
    lists = {name: list(started.get(name) or ()) for name in _FIELDS}
    if sum(len(str(item)) for items in lists.values() for item in items) <= SHORT:
        return started
    chain = _written.setdefault(folder, _Chain())
    same = {name: _alike(chain.items[name], lists[name]) for name in _FIELDS}
    while chain.links and not _is_whole(chain.links[-1], same, folder):
        chain.links.pop()
    counts, digest = chain.links[-1] if chain.links else (dict.fromkeys(_FIELDS, 0), None)
    new = {name: items[counts[name] :] for name, items in lists.items()}
    if digest is None or any(new.values()):
        text = json.dumps({_KEY: digest, **new}, ensure_ascii=True, sort_keys=True)
        digest = blobs.write(text, folder)
        chain.links.append(({name: len(items) for name, items in lists.items()}, digest))
    chain.items = lists
    return {name: value for name, value in started.items() if name not in _FIELDS} | {_KEY: digest}


def _alike(one: list[Any], other: list[Any]) -> int:
    """How many items two lists begin with in common."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _is_whole(link: tuple[dict[str, int], str], same: dict[str, int], folder: Path) -> bool:
    """Whether a file still is there, and holds nothing but what the history begins with."""
    counts, digest = link
    return all(counts[name] <= same[name] for name in _FIELDS) and (folder / digest).is_file()


def put_back(started: Json, folder: Path) -> Json:
    """Undo `take_out`. What lies in missing files is left out, and everything older with it."""
    if _KEY not in started:
        return started
    digest: Any = started[_KEY]
    links: list[Json] = []
    while isinstance(digest, str) and len(links) < MAX_LINKS and (text := blobs.read(digest, folder)) is not None:
        link = json.loads(text)
        if not isinstance(link, dict):
            break
        links.append(link)
        digest = link.get(_KEY)
    lists: Json = {name: [item for link in reversed(links) for item in link.get(name) or ()] for name in _FIELDS}
    if digest is not None and links:  # the oldest part is missing: the places of what is left moved
        lists["ran"] = []
    return {name: value for name, value in started.items() if name != _KEY} | lists
