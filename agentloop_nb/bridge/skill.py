"""The skill that teaches an outside agent to work in a notebook."""

from __future__ import annotations

from pathlib import Path


def skill() -> str:
    """Return the text of SKILL.md."""
    return Path(__file__).with_name("SKILL.md").read_text(encoding="utf-8")
