"""Links from the claims of an answer to the steps that show them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from html import escape

from agentloop_nb.actions.effects import Ground
from agentloop_nb.state import State

_TAG = re.compile(r"""<(/?)([a-zA-Z][\w-]*+)(?:"[^"]*"|'[^']*'|[^"'<>])*+>""")
_QUIET = "color:inherit;text-decoration:underline dotted"
HOW = {"derived": "computed from", "value": "held by a variable of", "shown": "shown by"}

Href = Callable[[int], str]


def grounds_of(state: State) -> tuple[Ground, ...]:
    """Return what stands behind the claims of the answer, where a step shows it."""
    last = state.steps[-1].effects.grounds if state.steps else ()
    return tuple(ground for ground in last if ground.step)


def anchor(state: State, place: str, step: int) -> str:
    """Return the id of a step in a page, in which other runs may stand, too."""
    return re.sub(r"[^\w-]", "", f"{place or state.run}-step-{step}", flags=re.ASCII)


def with_links(markup: str, grounds: Iterable[Ground], known: Collection[int], href: Href) -> str:
    """Make links of the claims in rendered Markdown to those of the `known` steps that show them."""
    found = {_written(ground): ground for ground in grounds if ground.step in known}
    if not found:
        return markup
    claims = "|".join(re.escape(claim) for claim in sorted(found, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.,&#])(?:{claims})(?!\w|[.,]\d)")
    return "".join(
        pattern.sub(lambda match: _link(match[0], found[match[0]], href), part) if free else part
        for part, free in _parts(markup)
    )


def _written(ground: Ground) -> str:
    """Return a claim as it stands in the page; a name has no back-ticks there."""
    return escape(ground.claim.strip("`"))


def _link(claim: str, ground: Ground, href: Href) -> str:
    told = f"{HOW[ground.how]} step {ground.step}"
    return f'<a href="{escape(href(ground.step))}" title="{told}" style="{_QUIET}">{claim}</a>'


def _parts(markup: str) -> Iterator[tuple[str, bool]]:
    """Yield the tags of a page and the texts between them.

    Whether a text may hold links: one inside of a link may not.
    """
    at, depth = 0, 0
    for tag in _TAG.finditer(markup):
        yield markup[at : tag.start()], depth == 0
        yield tag[0], False
        if tag[2].lower() in ("a", "pre", "math", "svg"):
            depth = max(depth - 1, 0) if tag[1] else depth + 1
        at = tag.end()
    yield markup[at:], depth == 0
