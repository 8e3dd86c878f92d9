"""Outputs and changes as the text a model is told."""

from __future__ import annotations

from collections.abc import Iterable

from agentloop_nb._internal.text import strip_ansi
from agentloop_nb.protocols import Change, Output

MAX_TOLD = 8000
"""Characters of one output or traceback that a model is told; the card and the record keep the whole."""

_PREFERRED = (
    "text/llm+plain",
    "text/llm",
    "text/markdown",
    "text/plain",
    "text/latex",
    "application/json",
    "text/html",
)


def bounded(text: str, limit: int = MAX_TOLD) -> str:
    """Keep head and tail of a long text, and say how much was cut between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    cut = len(text) - 2 * half
    shorter = f"{text[:half]}\n[… {cut:,} of {len(text):,} characters cut …]\n{text[-half:]}"
    return shorter if len(shorter) < len(text) else text


def text_of(outputs: Iterable[Output]) -> str:
    """Return outputs in order, as text; errors are left out because they are told apart."""
    parts = [_one(output) for output in outputs if output["output_type"] != "error"]
    return "".join(part if part.endswith("\n") else part + "\n" for part in parts if part).rstrip("\n")


def _one(output: Output) -> str:
    if output["output_type"] == "stream":
        return final_lines(strip_ansi(str(output["text"])))
    data = output.get("data", {})
    pictures = [f"[{mime} shown]" for mime in data if mime.startswith("image/")]
    for mime in _PREFERRED:
        if mime in data:
            return " ".join([strip_ansi(str(data[mime])), *pictures])
    return " ".join(pictures)


def final_lines(text: str) -> str:
    r"""Apply carriage returns, so that a progress bar tells only its last state."""
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))


def describe_change(change: Change) -> str:
    """Return `added df: DataFrame 60 x 3`."""
    what = " ".join(filter(None, [change.type, change.detail]))
    mark = " (sampled)" if change.sampled else ""
    return f"{change.how} {change.name}" + (f": {what}" if what else "") + mark
