"""What all events have in common, and the parts they are made of."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from agentloop_nb.protocols import Value

FORMAT = 1
"""Version of the record; the first key of its first line."""

Status = Literal["running", "finished", "not_met", "step_limit", "cost_limit", "stopped", "failed", "interrupted"]


Dollars = Annotated[Decimal, Field(ge=0, le=10**9)]
"""An amount in US dollars; a larger one is no price but a forgery that would overflow."""


def _safe(run: str) -> str:
    """Check the id of a run: it names files, and is shown on terminals."""
    if not re.fullmatch(r"\w[\w.-]{0,63}", run, re.ASCII) or ".." in run:
        raise ValueError("a run's id is at most 64 letters, digits, dots, dashes and underscores")
    return run


def _sound(settings: dict[str, Any]) -> dict[str, Any]:
    try:
        int(settings.get("max_steps", 0)), Decimal(str(settings.get("budget") or 0))
    except (TypeError, ArithmeticError):
        raise ValueError("max_steps and budget must be numbers") from None
    if "\0" in str(settings.get("output_dir")):
        raise ValueError("output_dir must be a path")
    return settings


RunId = Annotated[str, AfterValidator(_safe)]
RecordedSettings = Annotated[dict[str, Any], AfterValidator(_sound)]


class Event(Value):
    """Base of all events. `step` is the number of the decision it belongs to, from 1; 0 before the first."""

    model_config = ConfigDict(allow_inf_nan=False)
    step: int = 0
    at: float = Field(default_factory=time.time)
    """Seconds since the epoch."""
