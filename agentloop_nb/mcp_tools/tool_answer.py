"""The result of a call as a value of ours: bounded text, JSON, and pictures of the usual kinds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from agentloop_nb.actions.tool_value import parsed
from agentloop_nb.errors import ActionFailed
from agentloop_nb.mcp_tools.tool import plain, seen
from agentloop_nb.protocols import Image, ToolAnswer

LARGEST = 2_000_000
"""Characters of text and JSON of one answer."""
MOST_PICTURES = 4
LARGEST_PICTURE = 2_000_000
"""Characters of base64 of one picture."""
_PICTURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
"""Kinds of pictures that are shown, and how their bytes begin."""
_DEEPEST = 60


def answer(result: Any, tool: str) -> ToolAnswer:
    """Turn the result of a call into an answer. Raises `ActionFailed` for one that is too large."""
    pictures: list[Image] = []
    text = seen("\n".join(_texts(result.content, pictures)))
    structured = result.structured_content
    size = len(text) + (_weight(structured) if structured is not None else 0)
    if size > LARGEST:
        raise ActionFailed(f"{tool} answered {size:,} characters, which is too much: ask it for less")
    if _depth(structured) > _DEEPEST:
        structured = None
    if structured is not None and parsed(text) == structured:
        structured = None
    return ToolAnswer(text=text, structured=structured, images=tuple(pictures), failed=bool(result.is_error))


def _texts(content: Any, pictures: list[Image]) -> Iterator[str]:
    """Yield the text of each block; pictures are put aside."""
    for block in content:
        match block.type:
            case "text":
                yield block.text
            case "image":
                yield _picture(block, pictures)
            case "resource":
                text = getattr(block.resource, "text", None)
                yield text if isinstance(text, str) else f"[the resource {plain(str(block.resource.uri), 200)}]"
            case "resource_link":
                yield f"[a link: {plain(str(block.name), 100)} {plain(str(block.uri), 200)}]"
            case kind:
                yield f"[{plain(str(kind), 20)}, not shown]"


def _picture(block: Any, pictures: list[Image]) -> str:
    begins = _PICTURES.get(block.mime_type)
    if begins is None:
        return f"[a picture of the kind {plain(str(block.mime_type), 30)}, not shown]"
    if len(pictures) >= MOST_PICTURES or len(block.data) > LARGEST_PICTURE:
        return "[a picture, too large or one too many, not shown]"
    try:
        content = base64.b64decode(block.data, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content.startswith(begins):
        return "[a picture that is none, not shown]"
    pictures.append(Image(media_type=block.mime_type, base64=block.data))
    return f"[picture {len(pictures)}]"


def _weight(value: Any) -> int:
    """Characters of a value, about: texts, and a few for all else. Nothing is followed too deeply."""
    total, rest = 0, [value]
    while rest and total <= LARGEST:
        each = rest.pop()
        total += len(each) if isinstance(each, str) else 4
        if isinstance(each, dict):
            rest += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            rest += each
    return total


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
        ]
        depth += 1
    return depth
