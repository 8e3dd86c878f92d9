"""The state of a run: what its events add up to."""

from __future__ import annotations

from agentloop_nb.state.fold import State, fold
from agentloop_nb.state.run_data import OUTSIDE, THROUGH, awaited

__all__ = ["OUTSIDE", "THROUGH", "State", "awaited", "fold"]
