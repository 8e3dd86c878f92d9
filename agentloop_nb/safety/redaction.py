"""Keeping secrets to themselves: masking them, in any common disguise, in any text."""

from __future__ import annotations

import base64
import bisect
import html
import itertools
import json
import math
import re
import string
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

MASK = "[secret masked]"
"""What stands in place of a secret."""
MIN_LENGTH = 8
"""Characters below which a value is too common a string to be masked."""
MIN_BITS = 22.0
"""Entropy, in bits over the whole value, below which a value is too common a string to be masked."""
LONG_PREFIX = 16
"""Letters and digits from which the beginning of a secret is masked as the secret."""
MIN_CORE = 10
"""Letters and digits a value needs to be looked for with everything else left out."""

_KEY = 3
"""Bytes by which what is looked for is indexed."""
_LOWER = bytes(range(256)).lower()
_SEPARATORS = bytes(byte for byte in range(128) if chr(byte) not in string.ascii_letters + string.digits)
_COLOUR = rb"\[[0-?]*[ -/]*[@-~]"
_SIGNS = re.compile(
    rb"\xe2[\x80-\xaf\xb8\xb9][\x80-\xbf]|\xc2[\x80-\xbf]|\xef\xbb\xbf|\xe3\x80[\x80-\xbf]|\xe3\x83\xbb"
    rb"|\xcc[\x80-\xbf]|\xcd[\x80-\xaf]|\xd8[\x8c\x9b\x9c\x9f]|\xe1(?:\x85[\x9f\xa0]|\x9a\x80|\x9e[\xb4\xb5]|\xa0[\x8b-\x8f])"
    rb"|\xe3\x85\xa4|\xef(?:\xb8[\x80-\xbf]|\xb9[\x80-\xaf]|\xbc[\x81-\x8f\x9a-\xa0\xbb-\xbf]|\xbd[\x80\x9b-\xa5]|\xbe\xa0|\xbf[\xa0-\xbf])"
    rb"|\xf0\x9f[\x80-\xbf][\x80-\xbf]|\xf3\xa0[\x80-\xbf][\x80-\xbf]"
    rb"|\x1b" + _COLOUR + rb"|(?<!\\)\\+(?:[nrt]|u000[9adAD]|(?:u001[bB]|x1[bB]|033)" + _COLOUR + rb")"
)
"""As UTF-8: signs of Latin-1, punctuation, symbols from arrows to emoji, signs and spaces of other scripts, marks that
combine or choose a variant, fillers, tags, the byte order mark; colours of a terminal; and line
breaks and colours as JSON and Python write them."""
_BLANKS = b" \t\r\n\v\f"


def maskable(value: str) -> bool:
    """Whether a value is long and random enough to be masked wherever it stands: `test` and `postgres` are not."""
    counts = Counter(value)
    bits = -sum(count * math.log2(count / len(value)) for count in counts.values())
    word = value.isalpha() and (value.islower() or value.istitle()) and len(value) < 16
    number = value.isdecimal() and len(value) < 12
    return len(value) >= MIN_LENGTH and bits >= MIN_BITS and not word and not number


class Masker:
    """Masks a set of values: as they are, in base64, hexadecimal, URL and string escapes, and split over lines."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values: frozenset[str] = frozenset()
        self._common: set[str] = set()
        """What was not worth masking, so that it is weighed once."""
        self._index(frozenset(filter(maskable, values)))

    def learn(self, values: Iterable[str]) -> None:
        """Mask these values too, from now on."""
        new = set(values) - self.values - self._common
        worth = set(filter(maskable, new))
        self._common |= new - worth
        if worth:
            self._index(self.values | worth)

    def expect(self, sources: Iterable[str]) -> bool:
        """Learn from code which names will hold secrets; of use where namespaces are looked at."""
        return False

    def look(self) -> None:
        """Look for secrets that came up since; of use where namespaces are looked at."""

    def _index(self, values: frozenset[str]) -> None:
        self.values = values
        self._escaped = [value for value in values if "\\" in value]  # with what follows it may look like an escape
        forms = [_calm(form.encode(errors="surrogatepass")) for value in self.values for form in _forms(value)]
        cores = {form.translate(_LOWER, _SEPARATORS) for form in forms}
        exact = {form.translate(None, _BLANKS) for form in forms if len(form.translate(None, _SEPARATORS)) < MIN_CORE}
        cut = [value for value in self.values if "\n" not in value and maskable(value[:LONG_PREFIX])]
        begun = {_core(form) for value in cut for form in _often_cut(value)}
        ended = {_core(value) for value in cut if maskable(value[-LONG_PREFIX:])}
        self._searches = (
            _Search((core for core in cores if len(core) >= MIN_CORE), _LOWER, _SEPARATORS, begun, ended),
            _Search((form for form in exact if len(form) >= _KEY), None, _BLANKS),
        )
        self.longest = max(search.longest for search in self._searches)

    def __bool__(self) -> bool:
        return bool(self.values)

    def mask(self, text: str) -> str:
        """Return the text with every secret replaced by `MASK`."""
        if not self.values or len(text) < MIN_LENGTH:
            return text
        for value in self._escaped:
            text = text.replace(value, MASK)
        data = text.encode(errors="surrogatepass")
        spans = self.spans(data)
        return _without(data, spans, 0, len(data)) if spans else text

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return where secrets stand in UTF-8 text, in order."""
        calm = _calm(data)
        return sorted(span for search in self._searches for span in search.spans(calm))

    def begins(self, data: bytes) -> int:
        """Return from where on the end of UTF-8 text may be the beginning of a secret; its length if it is none."""
        calm = _calm(data)
        return min(search.begins(calm) for search in self._searches)

    def mask_value(self, value: Any) -> Any:
        """Return a JSON value with every string in it masked, keys included."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {
                self.mask(key) if isinstance(key, str) else key: self.mask_value(item) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return type(value)(map(self.mask_value, value))
        return value

    def found_in(self, text: str) -> bool:
        """Whether a text holds a secret."""
        return self.mask(text) != text


class Tail:
    """Masks a text that arrives in pieces: what may be the beginning of a secret is held back until it is clear.

    At most the first two characters of a secret are shown before it is known for one.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._shown = b""
        """The end of what was shown, unmasked: a secret may have begun there."""
        self._held = b""

    def feed(self, piece: str) -> str:
        """Take a piece, and return what can be shown now."""
        if not self._masker:
            return piece
        data = self._shown + self._held + piece.encode(errors="surrogatepass")
        open_from = self._masker.begins(data)
        spans = [span for span in self._masker.spans(data) if span[0] < open_from]
        end = max([len(self._shown), open_from, *(end for _, end in spans)])
        return self._show(data, spans, end)

    def rest(self) -> str:
        """Return what was held back, at the end."""
        data = self._shown + self._held
        return self._show(data, self._masker.spans(data), len(data))

    def _show(self, data: bytes, spans: list[tuple[int, int]], end: int) -> str:
        text = _without(data, spans, len(self._shown), end)
        keep = max(end - 4 * self._masker.longest, 0)
        while keep < end and data[keep] & 0xC0 == 0x80:  # not in the middle of a character
            keep += 1
        self._shown, self._held = data[keep:end], data[end:]
        return text


def _forms(value: str) -> Iterator[str]:
    """Yield a value in the encodings code and tools put it in."""
    yield value
    yield json.dumps(value)[1:-1]
    yield repr(value)[1:-1]
    yield html.escape(value)
    yield urllib.parse.quote(value)
    yield urllib.parse.quote(value, safe="")
    yield urllib.parse.quote_plus(value)
    yield value[::-1]
    data = value.encode(errors="surrogatepass")
    yield data.hex()
    yield "".join(f"x{byte:02x}" for byte in data)
    yield "".join(f"0x{byte:02x}" for byte in data)
    yield "".join(f"u{ord(character):04x}" for character in value)
    yield "".join(map(str, data))
    for shift in range(5):  # as below, in a group of base32
        whole = base64.b32encode(bytes(shift) + data).decode()
        yield whole[(shift * 8 + 4) // 5 : (shift + len(data)) * 8 // 5]
    for shift in range(3):  # the value may begin at any of three places in a group of base64
        whole = base64.b64encode(bytes(shift) + data).decode()
        yield whole[(shift * 8 + 5) // 6 : (shift + len(data)) * 8 // 6]


class _Search:
    """Looks for byte strings in a text from which some bytes are left out."""

    def __init__(
        self,
        needles: Iterable[bytes],
        table: bytes | None,
        left_out: bytes,
        begun: Iterable[bytes] = (),
        ended: Iterable[bytes] = (),
    ) -> None:
        """Of what is in `begun` a long beginning is looked for too, of what is in `ended` a long end."""
        self._table, self._left_out = table, left_out
        self._wholes: dict[bytes, list[bytes]] = {}
        for whole in begun:
            if len(whole) > LONG_PREFIX:
                self._wholes.setdefault(whole[:LONG_PREFIX], []).append(whole)
        self._before: dict[bytes, list[bytes]] = {}
        """What stands before an end that is looked for."""
        for whole in ended:
            if len(whole) > LONG_PREFIX:
                self._before.setdefault(whole[-LONG_PREFIX:], []).append(whole[:-LONG_PREFIX])
        needles = {*needles, *self._wholes, *self._before}
        self._needles: dict[bytes, list[bytes]] = {}
        """By their first bytes."""
        for needle in needles:
            self._needles.setdefault(needle[:_KEY], []).append(needle)
        every = [needle for group in self._needles.values() for needle in group]
        self.longest = max(map(len, every), default=0)
        self._count = len(every)

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return where needles stand in the text, first byte and the one after the last."""
        packed = data.translate(self._table, self._left_out)
        found = list(self._scan(packed) if len(packed) < 4 * self._count else self._find(packed))
        if not found:
            return []
        place = self._places(data)
        return [(place(first), place(last) + 1) for first, last in found]

    def begins(self, data: bytes) -> int:
        """Return from where on the end of the text reads like the beginning of a needle, or its length."""
        packed = data.translate(self._table, self._left_out)
        for start in range(max(len(packed) - self.longest + 1, 0), len(packed) - _KEY + 1):
            group = self._needles.get(packed[start : start + _KEY], ())
            if any(needle.startswith(packed[start:]) for needle in group):
                return self._places(data)(start)
        return len(data)

    def _scan(self, packed: bytes) -> Iterator[tuple[int, int]]:
        """Look at each place of a short text for the needles that may begin there."""
        for start in range(len(packed) - _KEY + 1):
            for needle in self._needles.get(packed[start : start + _KEY], ()):
                if packed.startswith(needle, start):
                    yield self._start(packed, start, needle), self._end(packed, start, needle) - 1

    def _find(self, packed: bytes) -> Iterator[tuple[int, int]]:
        """Look through a long text for each needle."""
        for needle in (needle for group in self._needles.values() for needle in group):
            start = packed.find(needle)
            while start >= 0:
                end = self._end(packed, start, needle)
                yield self._start(packed, start, needle), end - 1
                start = packed.find(needle, end)

    def _end(self, packed: bytes, start: int, needle: bytes) -> int:
        """Return the end of a needle; of a long beginning, as far as it goes on like the whole."""
        wholes = self._wholes.get(needle, ())
        return start + max((_common(packed, start, whole) for whole in wholes), default=len(needle))

    def _start(self, packed: bytes, start: int, needle: bytes) -> int:
        """Return where a needle begins; for a long end, as far before it as it reads like the whole."""
        before = self._before.get(needle, ())
        here = packed[max(start - self.longest, 0) : start][::-1]
        return start - max((_common(here, 0, each[::-1]) for each in before), default=0)

    def _places(self, data: bytes) -> Callable[[int], int]:
        """Return where a byte of the packed text stands in the text."""
        runs = list(re.finditer(b"[^" + re.escape(self._left_out) + b"]+", data))
        starts = list(itertools.accumulate((run.end() - run.start() for run in runs), initial=0))

        def place(offset: int) -> int:
            index = bisect.bisect_right(starts, offset) - 1
            return runs[index].start() + offset - starts[index]

        return place


def _often_cut(value: str) -> Iterator[str]:
    """Yield a value in the forms of which a table or a preview shows the beginning."""
    data = value.encode(errors="surrogatepass")
    yield value
    yield data.hex()
    yield base64.b64encode(data).decode().rstrip("=")


def _core(value: str) -> bytes:
    return _calm(value.encode(errors="surrogatepass")).translate(_LOWER, _SEPARATORS)


def _common(data: bytes, start: int, whole: bytes) -> int:
    """How many bytes from a place on are those of `whole`."""
    length = min(len(whole), len(data) - start)
    return next((index for index in range(length) if data[start + index] != whole[index]), length)


def _calm(data: bytes) -> bytes:
    """UTF-8 text with what may split a secret made spaces (see `_SIGNS`), no byte moved."""
    plain = data.isascii() and b"\\" not in data and b"\x1b" not in data
    return data if plain else _SIGNS.sub(lambda match: b" " * len(match[0]), data)


def _without(data: bytes, spans: list[tuple[int, int]], start: int, end: int) -> str:
    """Return a part of UTF-8 text as a string, with `MASK` for each span."""
    parts, done = [], start
    for first, last in spans:
        if last <= done or first >= end:
            continue
        if first >= done or done == start:
            parts += [data[done : max(first, done)], MASK.encode()]
        done = last
    return b"".join([*parts, data[done:end]]).decode(errors="surrogatepass")
