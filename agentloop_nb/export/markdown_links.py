"""Links from the claims of an answer to the steps that show them, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from agentloop_nb.actions.effects import Ground
from agentloop_nb.export.claim_links import HOW

_FENCE = re.compile(r" {0,3}(?:`{3,}|~{3,})")
_WHOLE = re.compile(
    r"\\.|!?\[[^\[\]\n]{0,500}\]\([^()\n]{0,2000}\)|(?P<ticks>`{1,9})[^`]{1,500}(?P=ticks)(?!`)"
    r"|<[^<>\s]{1,500}>|\$[^$\n]{1,500}\$",
)
"""What holds no link: escaped signs, links, code, addresses, formulas."""


def with_markdown_links(source: str, grounds: Iterable[Ground], known: Collection[int]) -> str:
    """Make links of the claims in Markdown, and of the steps that it names, to those of the `known` steps."""
    links = {ground.claim: _link(ground) for ground in grounds if ground.step in known}
    return "\n".join(_linked(line, links, known) if free else line for line, free in _lines(source))


def step_anchor(step: int) -> str:
    """Return what the links to a step lead to."""
    return f'<a id="step-{step}"></a>'


def step_link(text: str, step: int, known: Collection[int]) -> str:
    """Return a text as a link to a step, if the report tells of that step."""
    return f"[{text}](#step-{step})" if step in known else text


def _link(ground: Ground) -> str:
    return f'[{ground.claim}](#step-{ground.step} "{HOW[ground.how]} step {ground.step}")'


def _lines(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a text, and whether they may hold links: those of a code block do not."""
    fence = ""
    for line in source.split("\n"):
        found = _FENCE.match(line)
        mark = found[0].strip() if found else ""
        yield line, not (fence or mark or line.startswith(("    ", "\t")))
        if not fence:
            fence = mark
        elif mark.startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""


def _linked(line: str, links: dict[str, str], known: Collection[int]) -> str:
    claims = "|".join(re.escape(claim) for claim in sorted(links, key=len, reverse=True))
    said = (
        rf"(?<![^\W_]|[.,&#])(?<!\w_)(?P<claim>{claims or '(?!)'})(?![^\W_]|_\w|[.,]\d)|\b[Ss]tep (?P<step>\d{{1,6}})\b"
    )
    return re.sub(f"{said}|{_WHOLE.pattern}", lambda found: _replaced(found, links, known), line)


def _replaced(found: re.Match[str], links: dict[str, str], known: Collection[int]) -> str:
    if found["claim"]:
        return links[found["claim"]]
    return step_link(found[0], int(found["step"]), known) if found["step"] else found[0]
