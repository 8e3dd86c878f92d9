"""Text that is safe to show: escaped, with nothing in it that a reader cannot see."""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Iterator

from agentloop_nb._internal.text import CONTROLS, TURNING

_VISIBLE = {
    **{code: chr(0x2400 + code) if code < 0x20 else "\ufffd" for code in CONTROLS},
    **{code: f"⟨U+{code:04X}⟩" for code in (*TURNING, 0x061C)},
}
_ESCAPE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]")
_DELIMITER = re.compile(r"""(<(?:"[^"<]*"|[^"<>])*>)|\$|\\(?=[(\[]|begin)""")

_HUES = ("#808080", "#d1242f", "#1a7f37", "#9a6700", "#0969da", "#8250df", "#1b7c83", "#808080")
_STYLES = {1: "font-weight:bold", 2: "opacity:.8", 3: "font-style:italic", 4: "text-decoration:underline"}
_ENDS = {22: (1, 2), 23: (3,), 24: (4,)}


def clean(text: str) -> str:
    """Make visible what hides: bidi controls and control characters become signs, lone surrogates U+FFFD."""
    text = text.encode("utf-8", "replace").decode() if not text.isascii() else text
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def escape(text: str) -> str:
    """Clean, and escape for HTML text and attribute values."""
    return html.escape(clean(text))


def prose(text: str) -> str:
    """Escape for HTML outside `<pre>`, where Jupyter would set `$…$` as mathematics: dollars here are money."""
    return no_math(escape(text))


def inline(text: str) -> str:
    """Prose of a model on one line: escaped, with what stands in back-ticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", prose(text))


def no_math(markup: str) -> str:
    """Keep MathJax from pairing the delimiters in safe HTML: it looks for pairs within one text node only."""
    return _DELIMITER.sub(lambda found: found[1] or f"<span>{found[0]}</span>", markup)


def shortened(text: str, limit: int) -> str:
    """Clean, with the middle left out of what is too long for a card."""
    if len(text) > limit:
        gap = f"\n[… {len(text) - limit:,} characters are not shown; the record has them …]\n"
        text = text[: limit * 2 // 3] + gap + text[-limit // 3 :]
    return clean(text)


def one_line(text: str, limit: int = 160) -> str:
    """Return the first line that says something, shortened."""
    line = next((line.strip() for line in text[:10_000].splitlines() if line.strip()), "")
    return clean(line if len(line) <= limit else line[: limit - 1].rstrip() + "…")


class Ansi:
    """Turns terminal text into HTML line by line; colours carry over from one line to the next."""

    def __init__(self, on: dict[int, str] | None = None) -> None:
        self._on = on or {}

    def copy(self) -> Ansi:
        """Return colours as they are now, to try a line out."""
        return Ansi(dict(self._on))

    def line(self, text: str) -> str:
        """Render one line (no line break inside) as balanced HTML."""
        return "".join(self._spans(text))

    def _spans(self, text: str) -> Iterator[str]:
        start = 0
        for found in _ESCAPE.finditer(text):
            yield self._span(text[start : found.start()])
            start = found.end()
            if found[1] is not None:
                self._select([int(code or 0) for code in re.split("[;:]", found[1]) if len(code) < 4])
        yield self._span(text[start:])

    def _span(self, text: str) -> str:
        if not text or not self._on:
            return escape(text)
        return f'<span style="{";".join(self._on.values())}">{escape(text)}</span>'

    def _select(self, codes: list[int]) -> None:
        while codes:
            code = codes.pop(0)
            if code == 0:
                self._on.clear()
            elif code in _STYLES:
                self._on[code] = _STYLES[code]
            elif code in _ENDS:
                for ended in _ENDS[code]:
                    self._on.pop(ended, None)
            elif code in (38, 48):
                self._colour(code, _extended(codes))
            elif code in (39, 49):
                self._on.pop(code - 1, None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self._colour(38, _HUES[code % 10])
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self._colour(48, _HUES[code % 10])

    def _colour(self, kind: int, hue: str) -> None:
        """Mix a hue with the colour of the text around it, so that it reads on light and on dark."""
        if kind == 38:
            self._on[38] = f"color:color-mix(in srgb, {hue} 70%, currentColor)"
        else:
            self._on[48] = f"background:color-mix(in srgb, {hue} 25%, transparent)"


def _extended(codes: list[int]) -> str:
    """Take the rest of a `38;5;n` or `38;2;r;g;b` selection."""
    mode = codes.pop(0) if codes else 0
    if mode == 5 and codes:
        return _indexed(codes.pop(0))
    if mode == 2 and len(codes) >= 3:
        red, green, blue = (min(codes.pop(0), 255) for _ in range(3))
        return f"#{red:02x}{green:02x}{blue:02x}"
    return _HUES[0]


def _indexed(number: int) -> str:
    if number < 16:
        return _HUES[number % 8]
    if number >= 232:
        return "#808080"
    levels = (0, 95, 135, 175, 215, 255)
    number = min(number - 16, 215)
    return f"#{levels[number // 36]:02x}{levels[number // 6 % 6]:02x}{levels[number % 6]:02x}"


class Lines:
    """A growing text as lines of HTML: the head is kept, a rolling tail follows, what lies between is counted."""

    HEAD = 24_000
    """Characters kept from the start; a card is for reading, the record keeps the whole."""
    HEAD_LINES = 2_000
    TAIL = 4_000
    WIDTH = 2_000
    """Characters of one line; a longer one is cut."""

    def __init__(self) -> None:
        self._ansi = Ansi()
        self.head: list[str] = []
        self.tail: deque[str] = deque()
        self.skipped = 0
        """Lines between head and tail."""
        self._shown = 0
        self._tail_sizes: deque[int] = deque()
        self._tail_size = 0
        self._open = ""

    def feed(self, text: str) -> None:
        """Take more text in."""
        *whole, self._open = (self._open + text.replace("\r\n", "\n")).split("\n")
        passing = len(whole) - self.TAIL  # lines before that are out of the tail again when this text ends
        for index, line in enumerate(whole):
            if index < passing and self.tail and "\x1b" not in line:
                self.skipped += 1
            else:
                self._keep(line)
        if len(self._open) > 2 * self.WIDTH and "\r" not in self._open[-self.WIDTH :]:
            self._open = self._open[: self.WIDTH + 1] + self._open[-self.WIDTH + 1 :]
        elif len(self._open) > 20 * self.WIDTH:
            self._open = self._open[self._open.rfind("\r") :][-self.WIDTH :]

    def _keep(self, line: str) -> None:
        rendered, size = self._ansi.line(_visible(line)), min(len(line), self.WIDTH) + 1
        if not self.tail and self._shown + size <= self.HEAD and len(self.head) < self.HEAD_LINES:
            self.head.append(rendered)
            self._shown += size
            return
        self.tail.append(rendered)
        self._tail_sizes.append(size)
        self._tail_size += size
        while self._tail_size > self.TAIL and len(self.tail) > 1:
            self.tail.popleft()
            self._tail_size -= self._tail_sizes.popleft()
            self.skipped += 1

    def ending(self) -> list[str]:
        """Return the rolling tail, with the line that is still open, if any."""
        if not self._open:
            return list(self.tail)
        return [*self.tail, self._ansi.copy().line(_visible(self._open))]


def _visible(line: str) -> str:
    """Return what a terminal would show of a line: after its last carriage return, backspaces done, not too wide."""
    line = line.rstrip("\r").rsplit("\r", 1)[-1]
    line = _backspaced(line) if "\b" in line else line
    return line if len(line) <= Lines.WIDTH else line[: Lines.WIDTH] + " … (this line is cut)"


def _backspaced(line: str) -> str:
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
