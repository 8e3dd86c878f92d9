"""What a run that goes on keeps of the settings it was recorded with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentloop_nb.cluster.connecting import HERE
from agentloop_nb.record import reading, trust
from agentloop_nb.settings import KEPT
from agentloop_nb.state import OUTSIDE

_KEPT_FROM_OTHERS = ("isolated",)
"""The one setting that is kept from any record: it takes nothing but freedom."""


def kept_settings(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that a record hands on, where nothing else is named."""
    recorded = reading.load(path).settings
    names = KEPT if trust.standing(path) == "own" else _KEPT_FROM_OTHERS
    kept = {"on": HERE} | {name: recorded[name] for name in names if recorded.get(name) is not None}
    if kept.get("model") == OUTSIDE:  # no outside agent goes on; a model of ours may
        kept = {name: value for name, value in kept.items() if name not in ("model", "max_retries")}
    if variables.get("OPENAI_BASE_URL"):  # servers move; where one is named now, it is meant
        kept.pop("base_url", None)
    return kept
