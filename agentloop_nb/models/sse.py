"""What a body is, whatever it is labelled: server-sent events, JSON a line, one JSON answer, or a web page."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST_BODY = 50_000_000
"""Characters of one answer that are kept; no reply of a model is that long."""
_FIELDS = ("data:", "event:", "id:", "retry:", ":")


class NotJson(Exception):
    """The body holds nothing that a model server sends. `text` is its beginning."""

    def __init__(self, text: str) -> None:
        super().__init__("the answer is not JSON")
        self.text = text


class Ended(Exception):
    """The stream said that it is over."""


@dataclass
class Decoder:
    """Turns the lines of a body into chunks; None stands for a sign of life that carries nothing."""

    _event: list[str] = field(default_factory=list)
    """Data lines of the event that is not over yet."""
    _kept: list[str] = field(default_factory=list)
    """Lines that are no events, as long as nothing was understood."""
    _understood: bool = False
    _size: int = 0

    def line(self, line: str) -> Iterator[dict[str, Any] | None]:
        """Take one line in. Raises `Ended` at `[DONE]`."""
        text = line.strip()
        if not text:
            yield from self._flush()
        elif text.startswith("data:"):
            yield from self._data(text[5:].strip())
        elif text.startswith(_FIELDS) and not self._kept:
            yield None
        else:
            yield from self._other(line)

    def _data(self, data: str) -> Iterator[dict[str, Any] | None]:
        if data == "[DONE]":
            yield from self._flush()
            raise Ended
        if not self._event and (chunk := _object(data)) is not None:  # a line each is the rule, so no need to wait
            self._understood = True
            yield chunk
        elif data[:1] in ("", ":"):
            yield None
        else:
            self._event.append(data)

    def _flush(self) -> Iterator[dict[str, Any] | None]:
        """End an event whose JSON was spread over several data lines, or was none."""
        data, self._event = self._event, []
        if not data:
            return
        chunk = _object("\n".join(data))
        if chunk is None:
            self._keep("\n".join(data))
        else:
            self._understood = True
            yield chunk

    def _other(self, line: str) -> Iterator[dict[str, Any] | None]:
        """Yield a line without a field's name: JSON a line, or a piece of one JSON answer, or nothing of ours."""
        if not self._kept and (chunk := _object(line)) is not None:
            self._understood = True
            yield chunk
        elif not self._understood:
            self._keep(line)

    def _keep(self, text: str) -> None:
        if self._size < LONGEST_BODY:
            self._kept.append(text)
            self._size += len(text)

    def end(self) -> Iterator[dict[str, Any] | None]:
        """Take the end of the body in. Raises `NotJson` when nothing was understood though something came."""
        yield from self._flush()
        text = "\n".join(self._kept)
        if self._understood or not text.strip():
            return
        if (whole := _object(text)) is None:
            raise NotJson(text.strip())
        yield whole


async def chunks(body: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any] | None]:
    """Yield the chunks of a body. Raises `NotJson`."""
    decoder = Decoder()
    try:
        async for line in _lines(body):
            for chunk in decoder.line(line):
                yield chunk
    except Ended:
        return
    for chunk in decoder.end():
        yield chunk


async def _lines(body: AsyncIterable[bytes]) -> AsyncIterator[str]:
    r"""Yield lines of a body that end in \n, \r\n or \r; a byte order mark and broken UTF-8 do no harm."""
    decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    rest = ""
    async for piece in body:
        text = decode.decode(piece)
        head, newline, tail = _cut(rest, text)
        if newline:
            for line in _split(head):
                yield line
        rest = tail
    for line in _split(rest + decode.decode(b"", final=True)):
        yield line


def _cut(rest: str, text: str) -> tuple[str, bool, str]:
    r"""Cut at the last line end; a \r that ends the piece may be half of \r\n, so it stays with the rest."""
    ends = max(text.rfind("\n"), text.rfind("\r", 0, max(len(text) - 1, 0)))
    if ends < 0:
        if rest.endswith("\r") and text:
            return rest, True, text
        return "", False, rest + text
    return rest + text[: ends + 1], True, text[ends + 1 :]


def _split(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[: None if text[-1:] not in "\r\n" else -1]


def _object(text: str) -> dict[str, Any] | None:
    """Return the JSON object of a text; a list of one is taken as its only member."""
    try:
        data = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return data if isinstance(data, dict) else None
