"""A cluster as text: its engines, what runs on each, and the memory that takes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agentloop_nb.cluster.connecting import HERE
from agentloop_nb.cluster.engines import Cluster, cluster, connected
from agentloop_nb.errors import UserError

_LONGEST = 60
"""Characters of what an engine says of itself: it may say anything."""


def overview(on: str, variables: Mapping[str, str]) -> str:
    """Tell of a cluster; without a name of those in use here, else of the one that `AGENTLOOP_ON` names.

    Raises `UserError`.
    """
    usual = variables.get("AGENTLOOP_ON", "")
    found = [cluster(on)] if on else connected()
    if not found and usual in ("", HERE):
        raise UserError("name a cluster, like default or default:lab; AGENTLOOP_ON names the usual one")
    return "\n".join(_told(each) for each in found or [cluster(usual)])


def _told(found: Cluster) -> str:
    numbers = sorted(found.wire.engines)
    if not numbers:
        return f"Cluster {found.on} has no engines; start some: ipcluster engines -n 2"
    with ThreadPoolExecutor(8) as pool:
        told = [line for lines in pool.map(lambda number: _engine(found, number), numbers) for line in lines]
    engines = "1 engine" if len(numbers) == 1 else f"{len(numbers)} engines"
    return "\n".join([f"Cluster {found.on}: {engines}", *told])


def _engine(found: Cluster, number: int) -> list[str]:
    """Return the lines of one engine. What it says is looked at, not trusted."""
    try:
        found.load(number)
        status = found.status(number)
        host, memory, runs = str(status["host"]), int(status["memory"]), list(status["runs"])
        lines = [f"  engine {number}: {_short(host)}, {_size(memory)} free, {_count(runs)}"]
        return lines + [_run(each) for each in runs]
    except UserError as error:
        return [f"  {error}"]
    except (KeyError, TypeError, ValueError):
        return [f"  engine {number} says nothing usable of itself"]


def _run(told: Mapping[str, Any]) -> str:
    return f"    run {_short(str(told['told']))}, for {int(told['seconds'])} s, {_size(int(told['memory']))}"


def _count(runs: list[Any]) -> str:
    return {0: "nothing runs", 1: "1 run"}.get(len(runs), f"{len(runs)} runs")


def _size(amount: int) -> str:
    return f"{amount / 2**30:.1f} GB" if amount >= 2**30 else f"{amount / 2**20:.0f} MB"


def _short(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:_LONGEST]
