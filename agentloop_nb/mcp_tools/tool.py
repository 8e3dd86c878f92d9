"""A tool as its server lists it, and as it is told: a stranger's text, without what is invisible or marks up."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentloop_nb.protocols import Value

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]{0,79}")
"""Names that are told; a tool of another name is left out."""
PARAMETER = re.compile(r"[\w$@.-]{1,40}")
MOST_CHOICES = 8
MOST_PLAIN = 20_000
"""Characters of a text that are looked at to tell a line of it."""
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffd\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees, or that turn the direction of others."""
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,200}>")
_MARKUP = re.compile(r"```|[*#|`~]{1,}|^[^\S\n]*>|!?\[([^\]]{0,200})\]\([^)]{0,400}\)", re.MULTILINE)


class Tool(Value):
    """A tool of a server."""

    name: str
    description: str = ""
    inputs: dict[str, Any] = {}
    """The JSON schema of its arguments."""

    @property
    def properties(self) -> dict[str, Any]:
        """Its parameters, those whose names can be told."""
        found = self.inputs.get("properties")
        return {name: _dict(each) for name, each in found.items()} if isinstance(found, dict) else {}

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that a call must have."""
        found = self.inputs.get("required")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def usable(self) -> bool:
        """Whether its names can be told."""
        return bool(NAME.fullmatch(self.name)) and all(map(PARAMETER.fullmatch, self.properties))

    def line(self, server: str, words: int, *, types: bool = True) -> str:
        """Tell it in a line: `files.read(path: string, tail?: number) Read a file`; `words` characters of text."""
        fields = (self._field(name, schema, types=types) for name, schema in self.properties.items())
        text = plain(self.description, words)
        return f"{server}.{self.name}({', '.join(fields)})" + (f" {text}" if text else "")

    def _field(self, name: str, schema: Mapping[str, Any], *, types: bool) -> str:
        mark = "" if name in self.required else "?"
        return f"{name}{mark}: {_kind(schema)}" if types else f"{name}{mark}"

    def whole(self, server: str, limit: int) -> str:
        """Tell all of it: the line, then its schema as JSON, every text in it made plain."""
        told = json.dumps(_plainly(self.inputs, 0), ensure_ascii=False)
        return f"{self.line(server, 400)}\n{told if len(told) <= limit else told[:limit] + ' …'}"


def plain(text: str, limit: int) -> str:
    """One line of a stranger's text: nothing invisible, no markup, no quotes that could end another's."""
    text = _TAG.sub(" ", _COMMENT.sub(" ", _UNSEEN.sub(" ", text[: min(20 * limit + 1_000, MOST_PLAIN)])))
    line = " ".join(_MARKUP.sub(lambda found: f" {found[1] or ''} ", text).replace('"', "'").split())
    if len(line) <= limit:
        return line
    return line[: max(limit - 1, 0)].rstrip() + "…" if limit > 1 else ""


def seen(text: str) -> str:
    """Return a text of several lines without what nobody sees."""
    return "\n".join(_UNSEEN.sub("", line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n"))


def _kind(schema: Mapping[str, Any]) -> str:
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        told = "|".join(json.dumps(plain(str(each), 30)) for each in choices[:MOST_CHOICES])
        return f"{told}|…" if len(choices) > MOST_CHOICES else told
    kind = schema.get("type")
    if isinstance(kind, list):
        return "|".join(plain(str(each), 12) for each in kind[:4])
    if kind == "array":
        return f"[{_kind(_dict(schema.get('items')))}]"
    several = schema.get("anyOf") or schema.get("oneOf")
    if kind is None and isinstance(several, Sequence):
        return "|".join(dict.fromkeys(_kind(_dict(each)) for each in several[:4]))
    return plain(str(kind), 12) if kind else "any"


def _plainly(value: Any, depth: int) -> Any:
    if depth > 12:
        return "…"
    if isinstance(value, dict):
        return {plain(str(key), 60): _plainly(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plainly(each, depth + 1) for each in value[:50]]
    return plain(value, 300) if isinstance(value, str) else value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
