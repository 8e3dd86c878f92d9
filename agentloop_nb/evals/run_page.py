"""The page of one run of a task: what was checked, and every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentloop_nb.evals.judge import Judged
from agentloop_nb.export.destination import PAGE_MARK
from agentloop_nb.export.report_formats import STYLE
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.notebook.panel.safe_text import escape, prose
from agentloop_nb.state import State

_WIDER = "body{max-width:960px}li{margin:.2em 0}"


def write_run_page(state: State, judged: Sequence[Judged], title: str, path: Path) -> None:
    """Write a run as one HTML page that fetches nothing."""
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head>{PAGE_MARK}<meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}{_WIDER}</style></head><body><main><h1>{prose(title)}</h1>"
        f"{checks_html(judged)}{static_html(state)}</main></body></html>\n"
    )
    path.write_text(page, encoding="utf-8", errors="backslashreplace")


def checks_html(judged: Sequence[Judged]) -> str:
    """Return the checks as a list, each with what speaks against it."""
    return f"<ul>{''.join(map(_check, judged))}</ul>"


def _check(each: Judged) -> str:
    sign, what = ("✓", "held") if each.held else ("✗", "did not hold")
    why = f" — {prose(each.why)}" if each.why else ""
    guard = ' <span class="muted">(guard)</span>' if each.guard else ""
    return f'<li><span title="{what}">{sign}</span> <code>{escape(each.expression)}</code>{guard}{why}</li>'
