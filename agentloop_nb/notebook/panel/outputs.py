"""Cell outputs as blocks that are safe to show anywhere: text, sanitised tables, pictures as data."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, TypedDict

from agentloop_nb._internal.markup import harmless
from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb._internal.text import joined
from agentloop_nb.notebook.panel.safe_text import Lines, clean, escape, no_math, prose, shortened
from agentloop_nb.notebook.panel.table_colours import safe_style, with_colours
from agentloop_nb.protocols import Output

_TABLE_TAGS = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
_BLOCK_TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "div", "img"}
_INLINE_TAGS = {"a", "b", "strong", "i", "em", "u", "s", "del", "sub", "sup", "code", "kbd", "small", "span"}
_ATTRIBUTES = {
    "td": {"colspan", "rowspan", "style"},
    "th": {"colspan", "rowspan", "scope", "style"},
    "a": {"href", "title"},
    "img": {"src", "alt"},
}
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_DATA_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.ASCII)
_INDENTED = re.compile(r"(?<!\s)\s+(?=</?(?:table|caption|colgroup|col|thead|tbody|tfoot|tr|th|td)\b)", re.ASCII)
"""The space in front of a part of a table, which nobody sees: half of what a small table takes."""
MAX_TABLE, MAX_MARKDOWN = 60_000, 40_000
"""Characters of one table (a longer one is shown as text, which can be cut) and of one piece of Markdown."""
_CLEANS = not IN_BROWSER or find_spec("nh3") is not None
"""Whether foreign HTML can be made safe; where it cannot, tables and Markdown are shown as text."""


class Block(TypedDict, total=False):
    """One thing to show under a step. `html` is safe to insert as it stands."""

    kind: str
    """`text` (lines of HTML), `html` (tables, Markdown), `picture`."""
    name: str
    """Of a text: stdout, stderr, result."""
    head: list[str]
    skipped: int
    tail: list[str]
    html: str
    src: str
    """Of a picture: a data: address."""
    alt: str


def sanitise(markup: str) -> str:
    """Keep tables and prose of foreign HTML; drop scripts, styles, handlers, forms, and pictures from elsewhere."""
    import nh3

    safe = nh3.clean(
        with_colours(clean(markup)),
        tags=_TABLE_TAGS | _BLOCK_TAGS | _INLINE_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "data"},
        attribute_filter=_keep_attribute,
        link_rel="noopener noreferrer",
    )
    return no_math(_INDENTED.sub(" ", safe))


def _keep_attribute(_tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if _DATA_PICTURE.fullmatch(value) else None
    if name == "style":
        return safe_style(value) or None
    if name == "href":
        return value if value.startswith(("http://", "https://")) else None
    return value


def markdown(source: str) -> str:
    """Render Markdown as safe HTML: raw HTML stays text, pictures from elsewhere are not fetched."""
    from markdown_it import MarkdownIt

    if not _CLEANS:
        return f"<pre>{escape(shortened(source, MAX_MARKDOWN))}</pre>"
    return sanitise(
        MarkdownIt("commonmark", {"html": False}).enable("table").render(harmless(shortened(source, MAX_MARKDOWN)))
    )


def text_block(text: str, name: str = "result") -> Block:
    """Return a whole text as one block."""
    lines = Lines()
    lines.feed(text)
    return of_lines(lines, name)


def of_lines(lines: Lines, name: str) -> Block:
    """Return the block of a text that may still grow."""
    return Block(kind="text", name=name, head=list(lines.head), skipped=lines.skipped, tail=lines.ending())


def blocks(outputs: Iterable[Output]) -> list[Block]:
    """Show outputs in order. Errors are left out, because a step tells its error apart."""
    return [block for output in outputs if (block := block_of(output))]


def block_of(output: Output) -> Block | None:
    """Show one output, or None when there is nothing to see in it."""
    kind = output.get("output_type")
    if kind == "stream":
        return text_block(joined(output.get("text", "")), str(output.get("name", "stdout")))
    data = output.get("data")
    if kind == "error" or not isinstance(data, dict):
        return None
    return _picture(data) or _rich(data) or _plain(data)


def _picture(data: dict[str, Any]) -> Block | None:
    for mime in _PICTURES:
        if mime in data:
            content = joined(data[mime])
            if mime == "image/svg+xml":  # inside <img> an SVG runs no script and fetches nothing
                content = base64.b64encode(content.encode("utf-8", "replace")).decode()
            src = f"data:{mime};base64,{re.sub('[^A-Za-z0-9+/=]', '', content)}"
            return Block(kind="picture", src=src, alt=clean(joined(data.get("text/plain", "figure")))[:200])
    return None


def _rich(data: dict[str, Any]) -> Block | None:
    if "text/markdown" in data:
        return Block(kind="html", html=markdown(joined(data["text/markdown"])))
    markup = joined(data.get("text/html", ""))
    if _CLEANS and len(markup) <= MAX_TABLE and "<table" in markup.lower():
        return Block(kind="html", html=sanitise(markup))
    return None


def _plain(data: dict[str, Any]) -> Block | None:
    if "text/plain" in data:
        return text_block(joined(data["text/plain"]))
    if "application/json" in data:
        return text_block(json.dumps(data["application/json"], indent=2, ensure_ascii=False, default=str))
    if "text/latex" in data:
        return text_block(joined(data["text/latex"]))
    return text_block(f"[{', '.join(map(str, data))}]") if data else None


def link(address: str, text: str) -> str:
    """Return a link that is followed only if it leads to the web."""
    if not address.startswith(("http://", "https://")):
        return prose(text)
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{prose(text)}</a>'
