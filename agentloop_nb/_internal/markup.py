"""Text of models, pages, files and tables made harmless for the place it goes to: Markdown, HTML, an output, a picture.

Markdown is parsed, and written anew from its tree: what has no place in the tree (HTML, pictures from elsewhere, links
that are no web address) cannot come out of it. Doing it twice changes nothing more.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
"""What a displayed widget is in an output: a reference, which only a page with its kernel can draw."""

MAX_PARSED = 60_000
"""Characters of Markdown that are parsed; of a longer text nothing is rendered."""
ROUNDS = 3
"""Times a text is written anew until nothing changes; one that goes on changing is shown as it stands."""

_LOCAL = re.compile(r"\w[\w./-]*", re.ASCII)
"""A picture that plainly is a file of the folder."""
_WEB = re.compile(r"(?:https?://|mailto:|#)[^\s<>\"]*|[\w./-]+(?:#[\w-]*)?", re.ASCII)
_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_[]~|$"})
_ENTITY = re.compile(r"&(?=#?\w)")
_LINE_START = re.compile(
    r"(?m)^([ \t]*)(>|[+-](?=[ \t]|$)|#{1,6}(?=[ \t]|$)|=+(?=[ \t]*$)|-{2,}(?=[ \t]*$)|\d{1,9}(?=[.)](?:[ \t]|$)))"
)
"""What begins a quote, a list, a heading or a rule."""
_INDENT = re.compile(r"(?m)^(?: *\t[ \t]*| {4,})")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_MATH = "\ue000{}\ue001"
_NOT_MATH = frozenset("[]<>`&!\n\ue000\ue001")
_PRIVATE = str.maketrans(dict.fromkeys("\ue000\ue001", "\ufffd"))


def harmless(source: str) -> str:
    """Markdown in which HTML is text, links lead to the web or the folder, and pictures are files of the folder."""
    if "[" not in source and "<" not in source:  # no link, no picture, no HTML
        return source
    if len(source) > MAX_PARSED:
        return plain(source)
    made = source
    for _ in range(ROUNDS):
        before, made = made, _rebuilt(made)
        if made == before:
            return made
    return made if _rebuilt(made) == made else plain(source)


def plain(text: str) -> str:
    """Markdown that shows a text as it stands, with its lines, and renders none of it."""
    text = _ENTITY.sub("&amp;", _INDENT.sub("   ", text)).replace("<", "&lt;")
    return _LINE_START.sub(_escaped_start, text.translate(_SPECIAL))


def link(text: str, address: str) -> str:
    """Return a link to a web address; of any other address only the text."""
    text = plain(" ".join(text.split()))
    if not re.fullmatch(r"https?://[^\s()<>\[\]\\`\"]+", address):
        return text
    return f"[{text}]({address})"


def code_span(text: str) -> str:
    """Text as code within a line of Markdown; nothing in it ends the code."""
    inside = " ".join(str(text).replace("`", "'").split())
    return f"`{inside or ' '}`"


def fenced(code: str, language: str = "python") -> str:
    """Code that is only shown; the fence is longer than any inside it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.strip()}\n{fence}"


# -- Markdown from its tree


def _rebuilt(source: str) -> str:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    math: list[str] = []
    text = _without_math(source.translate(_PRIVATE), math)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made = _blocks(SyntaxTreeNode(parser.parse(text)).children)
    for number, part in enumerate(math):
        made = made.replace(_MATH.format(number), part)
    return made.translate(_PRIVATE)


def _without_math(text: str, math: list[str]) -> str:
    """Return the text with a mark for each `$...$` that holds nothing which Markdown could take for something else."""
    first, *rest = text.split("$")
    made, index = [first], 0
    while index < len(rest):
        inside, last = rest[index], index + 1 == len(rest)
        if last or not _is_math(inside) or made[-1].endswith("\\") or rest[index + 1][:1].isdigit():
            made.append("$" + inside)
            index += 1
        else:
            made.append(_MATH.format(len(math)) + rest[index + 1])
            math.append(f"${inside}$")
            index += 2
    return "".join(made)


def _is_math(inside: str) -> bool:
    return 0 < len(inside) < 1000 and inside == inside.strip() and not set(inside) & _NOT_MATH


def _blocks(nodes: Iterable[SyntaxTreeNode], gap: str = "\n\n") -> str:
    return gap.join(_block(node) for node in nodes)


def _block(node: SyntaxTreeNode) -> str:
    make = _BLOCKS.get(node.type)
    return make(node) if make else plain(node.content)


def _paragraph(node: SyntaxTreeNode) -> str:
    return _LINE_START.sub(_escaped_start, _inline(node.children))


def _heading(node: SyntaxTreeNode) -> str:
    return f"{'#' * int(node.tag[1])} {' '.join(_inline(node.children).split())}".rstrip()


def _code_block(node: SyntaxTreeNode) -> str:
    language = node.info.strip().partition(" ")[0] if node.type == "fence" else ""
    return fenced(_code(node.content), language if language.isalnum() else "")


def _quote(node: SyntaxTreeNode) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _blocks(node.children).split("\n"))


def _list(node: SyntaxTreeNode) -> str:
    start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    tight = all(child.hidden for item in node.children for child in item.children if child.type == "paragraph")
    items = []
    for number, item in enumerate(node.children):
        mark = "- " if start is None else f"{start + number}. "
        lines = _blocks(item.children, "\n" if tight else "\n\n").split("\n")
        indent = " " * len(mark)
        items.append("\n".join([mark + lines[0], *(f"{indent}{line}".rstrip() for line in lines[1:])]).rstrip())
    return ("\n" if tight else "\n\n").join(items)


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for part in node.children for row in part.children]
    lines = [f"| {' | '.join(' '.join(_inline(cell.children).split()) for cell in row.children)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0].children)}", *lines[1:]])


def _inline(nodes: Iterable[SyntaxTreeNode]) -> str:
    return "".join(_piece(node) for node in nodes)


def _piece(node: SyntaxTreeNode) -> str:
    make = _PIECES.get(node.type)
    return make(node) if make else _text(node.content)


def _text(text: str) -> str:
    text = _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace("\\", "\\\\").replace("`", "\\`")
    text = text.replace("[", "\\[").replace("]", "\\]").replace("*", "\\*").replace("~~", "\\~\\~").replace("|", "\\|")
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def _code_span(node: SyntaxTreeNode) -> str:
    code = _code(" ".join(node.content.split("\n")))
    fence = "`" * (max((len(run) for run in re.findall("`+", code)), default=0) + 1)
    space = " " if code.startswith("`") or code.endswith("`") or (code[:1] == code[-1:] == " " and code.strip()) else ""
    return f"{fence}{space}{code}{space}{fence}"


def _code(text: str) -> str:
    """Code in which not even a reader that takes it for something else finds a tag, a link or a picture."""
    text = _TAG.sub("<\u200b", text)
    return text.replace("![", "!\u200b[").replace("](", "]\u200b(").replace("][", "]\u200b[")


def _link(node: SyntaxTreeNode) -> str:
    text, address = _inline(node.children), str(node.attrs.get("href", ""))
    address = address.replace("(", "%28").replace(")", "%29").replace("\\", "%5C")
    return f"[{text}]({address})" if _WEB.fullmatch(address) and not address.startswith("//") else text


def _picture(node: SyntaxTreeNode) -> str:
    text, address = _text(_words(node.children)), str(node.attrs.get("src", ""))
    if _LOCAL.fullmatch(address) and ".." not in address:
        return f"![{text}]({address})"
    return f"[{text}]({address})" if _WEB.fullmatch(address) and "(" not in address and ")" not in address else text


def _words(nodes: Iterable[SyntaxTreeNode]) -> str:
    """Return the bare text of what stands in a picture's brackets."""
    return " ".join(node.content if node.type in ("text", "code_inline") else _words(node.children) for node in nodes)


def _around(mark: str) -> Callable[[SyntaxTreeNode], str]:
    return lambda node: f"{mark}{_inline(node.children)}{mark}"


_PIECES: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "inline": _around(""),
    "softbreak": lambda _node: "\n",
    "hardbreak": lambda _node: "  \n",
    "code_inline": _code_span,
    "em": _around("*"),
    "strong": _around("**"),
    "s": _around("~~"),
    "link": _link,
    "image": _picture,
}


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": _paragraph,
    "inline": _paragraph,
    "heading": _heading,
    "fence": _code_block,
    "code_block": _code_block,
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
    "hr": lambda _node: "---",
}


def _escaped_start(found: re.Match[str]) -> str:
    """Return what begins a heading, a quote, a list or a rule at the start of a line, as text."""
    space, sign = found[1], found[2]
    return f"{space}{sign}\\" if sign.isdigit() else f"{space}\\{sign}"


# -- outputs

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_INTERACTIVE = {
    "application/vnd.plotly.v1+json": "plotly",
    "application/vnd.vegalite.v4+json": "altair",
    "application/vnd.vegalite.v5+json": "altair",
    "application/vnd.vegalite.v6+json": "altair",
    "application/vnd.vega.v5+json": "altair",
    "application/vnd.vega.v6+json": "altair",
}
"""Figures that can be handled, and the word that stands in code which makes them."""
_FETCHING = frozenset({"url", "source", "src", "href", "baseURL"})


def figure(data: dict[str, Any], code: Collection[str]) -> dict[str, Any]:
    """Pick what of an output may be shown below the panel: pictures, and figures of a library that `code` names.

    No HTML, no script, and nothing that is fetched from elsewhere.
    """
    kept = {mime: value for mime, value in data.items() if mime in _PICTURES}
    for mime, library in _INTERACTIVE.items():
        if mime in data and any(library in source for source in code) and not _fetches(data[mime]):
            kept[mime] = data[mime]
    if not kept and "image/svg+xml" in data:  # inside <img> an SVG runs no script and fetches nothing
        drawn = "".join(data["image/svg+xml"]).encode("utf-8", "replace")
        kept["text/html"] = f'<img alt="figure" src="data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}">'
    if kept and "text/plain" in data:
        kept["text/plain"] = data["text/plain"]
    return kept


def _fetches(value: Any, depth: int = 60) -> bool:
    """Whether a figure names an address that a browser would fetch."""
    if isinstance(value, str):
        try:
            return value[:1] in "[{" and value != "" and _fetches(json.loads(value), depth)
        except (ValueError, RecursionError):
            return True
    if not depth:
        return True
    if isinstance(value, dict):
        named = (item for key, item in value.items() if key in _FETCHING and isinstance(item, str))
        if any(not each.startswith(("data:image/", "#")) for each in named):
            return True
        return any(_fetches(item, depth - 1) for item in value.values() if isinstance(item, dict | list))
    return isinstance(value, list) and any(_fetches(item, depth - 1) for item in value if isinstance(item, dict | list))
