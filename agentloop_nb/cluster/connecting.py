"""Where the process of an isolated run is: on this machine, or on an engine of the cluster that the settings name."""

from __future__ import annotations

from agentloop_nb.actions import Delegate
from agentloop_nb.isolated.channel import Line
from agentloop_nb.isolated.connection import Connect
from agentloop_nb.settings import Settings

HERE = "here"
"""What names this machine where a cluster is named otherwise."""


def named(on: str | None) -> str:
    """Return the cluster that is named; empty for none."""
    return "" if on in (None, HERE) else str(on)


def elsewhere(settings: Settings) -> str:
    """Return the cluster that the settings name; empty for none."""
    return named(settings.on)


def goes_elsewhere(settings: Settings) -> bool:
    """Whether the run itself takes place on a cluster. One that was told to delegate stays; its parts go there."""
    return bool(elsewhere(settings)) and Delegate.name not in settings.actions


def connection(settings: Settings, told: str) -> Connect:
    """Return what makes the connection to the process of a run, which `told` names where engines are listed.

    Raises `UserError` for a cluster that cannot be used.
    """
    if not (on := elsewhere(settings)):
        return Line
    from agentloop_nb.cluster.engines import cluster

    found = cluster(on)
    found.check()
    return found.line(told)
