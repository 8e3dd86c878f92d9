"""Why a cell came out differently: the likeliest cause, in words that say what to do."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from agentloop_nb.verify.clock import looks_at_clock
from agentloop_nb.verify.output_compare import failed, flat

if TYPE_CHECKING:
    from agentloop_nb.verify.kernel_run import Performance
    from agentloop_nb.verify.outside import Outside

Json = dict[str, Any]

_CHANCE = re.compile(r"\b(?:random|shuffle|sample|choice|permutation|secrets|uuid4|urandom|hash|set)\b")
_NAME = re.compile(r"name '(\w+)' is not defined")
_FILE = re.compile(
    r"No such file or directory: b?['\"]([^'\"]+)['\"]|(?<![\w./ -])([\w./ -]{1,300}\.\w{1,20})['\"]? not found"
)
_WEIGHT = ("file", "network", "folder", "program", "library", "machine", "stat")
"""Of what was asked for outside, the likelier cause first."""
_MODULE = re.compile(r"No module named '([\w.]+)'")


def explain(notebook: Json, cell: Json, performance: Performance, outside: Outside) -> str:
    """Return the likely cause of a difference in `cell`."""
    fresh = performance.outputs.get(cell["id"], [])
    error = failed(fresh)
    asked = sorted(outside.of(cell["id"]), key=lambda each: _WEIGHT.index(each.kind))
    if asked and (error or asked[0].kind != "stat"):
        return outside.told(asked[0])
    if error and failed(cell["outputs"]) is None:
        return _of_error(notebook, str(error["ename"]), str(error["evalue"]))
    return outside.told(asked[0]) if asked else _of_difference(notebook, cell, fresh)


def _of_error(notebook: Json, name: str, message: str) -> str:
    if match := _NAME.search(message):
        return f"{match[1]!r} came from an earlier cell that is not known; define it in a cell of its own"
    if (match := _FILE.search(message)) or name == "FileNotFoundError":
        missing = next(filter(None, match.groups())) if match else message
        return f"the file {PurePath(missing).name!r} is missing: no cell makes it, and it is not among the inputs"
    if match := _MODULE.search(message):
        if match[1].startswith("agentloop_nb"):
            return "it imports agentloop_nb, and an exported notebook has to run without it"
        return f"the package {match[1]!r} is not installed here"
    changed = changed_packages(notebook)
    return f"it raises {name}: {message}" + (f" (other versions than then: {changed})" if changed else "")


def _of_difference(notebook: Json, cell: Json, fresh: list[Json]) -> str:
    if failed(cell["outputs"]) and failed(fresh) is None:
        return "it failed when it was recorded, and does not fail now"
    if changed := changed_packages(notebook):
        return f"packages have other versions than then: {changed}"
    chain = "\n".join(each["source"] for each in notebook["cells"] if each["cell_type"] == "code")
    how = _first_difference(cell["outputs"], fresh)
    if _CHANCE.search(chain) and not looks_at_clock(cell["source"]):
        return f"randomness, or a seed set in an earlier cell: {how}"
    if looks_at_clock(chain):
        return f"the time: {how}"
    return f"something from before the run that no cell shows (an option, a style, a changed file): {how}"


def _first_difference(recorded: list[Json], fresh: list[Json]) -> str:
    before, now = flat(recorded), flat(fresh)
    kinds = sorted({*before, *now}, key=lambda kind: (kind != "text/plain", kind))
    for kind in kinds:
        if before.get(kind) != now.get(kind):
            return f"{kind} was {_short(before.get(kind), now.get(kind))}, is {_short(now.get(kind), before.get(kind))}"
    return "its outputs differ"


def _short(values: list[Any] | None, others: list[Any] | None) -> str:
    """Return the text around the first place where two lists of outputs differ."""
    if not values:
        return "nothing"
    text, other = ("\n".join(map(str, each or ())) for each in (values, others))
    alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))
    start = max(alike - 20, 0)
    part = " ".join(text[start : start + 80].split())
    return repr(("…" if start else "") + part + ("…" if start + 80 < len(text) else ""))


def changed_packages(notebook: Json) -> str:
    """Name the packages whose version is not the one that was recorded."""
    recorded: Mapping[str, str] = notebook["metadata"]["agentloop"].get("packages", {})
    found = []
    for name, version in recorded.items():
        try:
            now = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            now = "missing"
        if now != version:
            found.append(f"{name} {version} -> {now}")
    return ", ".join(found)
