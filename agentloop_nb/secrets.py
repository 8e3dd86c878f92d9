"""Keeping secrets to themselves: which values are secret, and masking them, in any common disguise, in any text."""

from __future__ import annotations

import base64
import bisect
import html
import json
import math
import re
import string
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "[secret masked]"
"""What stands in place of a secret."""
MIN_LENGTH = 8
"""Characters below which a value is too common a string to be masked."""
MIN_BITS = 22.0
"""Entropy, in bits over the whole value, below which a value is too common a string to be masked."""
MIN_CORE = 10
"""Letters and digits a value needs to be looked for with everything else left out."""

_SECRET_NAME = re.compile(
    r"(?:^|[_\-.])(?:api)?(?:keys?|tokens?|secrets?|pass(?:word|wd|phrase)?|pwd|pat|credentials?|auth|bearer|dsn|sas|"
    r"cookie|conn(?:ection)?_?str(?:ing)?|private|jwt|webhook)(?:$|[_\-.\d])|apikey|password|secret|access_?key",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(
    r"public|_(?:path|file|dir|sock|name|type|url|id|env|mode|limit|timeout)$|^tokenizers_", re.IGNORECASE
)
_SECRET_SHAPE = re.compile(
    r"(?:sk|pk|rk)[-_][\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|"
    r"A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|hf_\w{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_URL_PASSWORD = re.compile(r"\w[\w+.-]*://[^\s/:@]*:([^\s/@]+)@")
_STRING_PASSWORD = re.compile(r"(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*([^;\s]+)", re.IGNORECASE)

_LOWER = bytes(range(256)).lower()
_SEPARATORS = bytes(byte for byte in range(128) if chr(byte) not in string.ascii_letters + string.digits)
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
        self.values = frozenset(filter(maskable, values))
        self._exact: set[bytes] = set()
        """Looked for with blanks left out."""
        self._cores: set[bytes] = set()
        """Looked for with all but letters and digits left out, in lower case."""
        for value in self.values:
            for form in _forms(value):
                data = form.encode(errors="surrogatepass")
                core = data.translate(_LOWER, _SEPARATORS)
                if len(core) >= MIN_CORE:
                    self._cores.add(core)
                else:
                    self._exact.add(data.translate(None, _BLANKS))
        self._exact.discard(b"")

    def __bool__(self) -> bool:
        return bool(self.values)

    def mask(self, text: str) -> str:
        """Return the text with every secret replaced by `MASK`."""
        if not self.values or len(text) < MIN_LENGTH:
            return text
        data = text.encode(errors="surrogatepass")
        spans = [
            *_spans(data, data.translate(_LOWER, _SEPARATORS), self._cores, _SEPARATORS),
            *_spans(data, data.translate(None, _BLANKS), self._exact, _BLANKS),
        ]
        return _without(data, sorted(spans)) if spans else text

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


def _forms(value: str) -> Iterator[str]:
    """Yield a value in the encodings code and tools put it in."""
    yield value
    yield json.dumps(value)[1:-1]
    yield repr(value)[1:-1]
    yield html.escape(value)
    yield urllib.parse.quote(value, safe="")
    yield urllib.parse.quote_plus(value)
    yield value[::-1]
    data = value.encode(errors="surrogatepass")
    yield data.hex()
    yield "".join(f"x{byte:02x}" for byte in data)
    yield "".join(f"0x{byte:02x}" for byte in data)
    yield "".join(f"u{ord(character):04x}" for character in value)
    yield "".join(map(str, data))
    yield base64.b32encode(data).decode().rstrip("=")
    for shift in range(3):  # the value may begin at any of three places in a group of base64
        whole = base64.b64encode(bytes(shift) + data).decode()
        yield whole[(shift * 8 + 5) // 6 : (shift + len(data)) * 8 // 6]


def _spans(data: bytes, packed: bytes, needles: Iterable[bytes], left_out: bytes) -> list[tuple[int, int]]:
    """Return where needles stand in `data`, which reads `packed` once the bytes `left_out` are left out."""
    found = []
    for needle in needles:
        start = packed.find(needle)
        while start >= 0:
            found.append((start, start + len(needle) - 1))
            start = packed.find(needle, start + len(needle))
    if not found:
        return []
    runs = list(re.finditer(b"[^" + re.escape(left_out) + b"]+", data))
    starts, total = [], 0
    for run in runs:
        starts.append(total)
        total += run.end() - run.start()

    def place(offset: int) -> int:
        index = bisect.bisect_right(starts, offset) - 1
        return runs[index].start() + offset - starts[index]

    return [(place(first), place(last) + 1) for first, last in found]


def _without(data: bytes, spans: list[tuple[int, int]]) -> str:
    parts, done = [], 0
    for start, end in spans:
        if start >= done:
            parts += [data[done:start], MASK.encode()]
        done = max(done, end)
    return b"".join([*parts, data[done:]]).decode(errors="surrogatepass")


def secrets_in(name: str, value: str) -> list[str]:
    """Return what is secret in a named value: all of it, or the password of an address or a connection string."""
    parts = [*_URL_PASSWORD.findall(value), *_STRING_PASSWORD.findall(value)]
    if parts:
        return [*parts, *map(urllib.parse.unquote, parts)]
    if _SECRET_SHAPE.search(value):
        return [value, *(line for line in value.splitlines() if len(line) > MIN_LENGTH and "-----" not in line)]
    if _SECRET_NAME.search(name) and not _HARMLESS_NAME.search(name):
        return [value]
    return []


def known_secrets(
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
    keys: Iterable[Any],
    namespace: Mapping[str, Any] | None = None,
) -> Masker:
    """Gather what looks secret: in the environment, the .env file, the model keys, and the user's variables.

    `keys` are strings or pydantic `SecretStr`, all secret. Of the namespace, strings, secrets and dictionaries of
    strings are looked at; nothing is called that could run the user's code.
    """
    values = [_revealed(key) for key in keys]
    for variables in (environ, dotenv):
        for name, value in variables.items():
            values += secrets_in(name, value)
    for name, value in list((namespace or {}).items()):
        values += _in_variable(name, value)
    return Masker(values)


def _revealed(key: Any) -> str:
    return key if isinstance(key, str) else str(key.get_secret_value())


def _in_variable(name: str, value: Any) -> list[str]:
    from pydantic import SecretStr

    if type(value) is str:
        return secrets_in(name, value) if len(value) < 10_000 else []
    if type(value) is SecretStr:
        return [value.get_secret_value()]
    if type(value) is dict and len(value) <= 1000:
        return [
            found
            for key, item in value.items()
            if type(key) is str and type(item) is str and len(item) < 10_000
            for found in secrets_in(key, item)
        ]
    return []
