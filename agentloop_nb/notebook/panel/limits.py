"""How much of a text the panel shows."""

from __future__ import annotations

MAX_CODE, MAX_PROSE, MAX_GOAL = 60_000, 20_000, 4_000
"""Characters shown on a card: of code or a file; of reasoning or a traceback; of a goal, a reason, an error."""
