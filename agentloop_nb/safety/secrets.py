"""Which values are secret: in the environment, the .env file, the model keys and the namespace, as they are now."""

from __future__ import annotations

import ast
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, GetSetDescriptorType, ModuleType
from typing import Any

from agentloop_nb.safety.masking import MASK, MIN_LENGTH, Masker, Tail, maskable

__all__ = ["MASK", "KnownSecrets", "Masker", "Tail", "known_secrets", "maskable", "secrets_in"]

MAX_TEXT = 10_000
"""Characters of a text that is looked at; a longer one is data."""
MAX_ITEMS = 1000
"""Items of a dictionary or attributes of an object that are looked at."""
MAX_OBJECTS = 500
"""Objects that one look goes into."""

_SECRET_NAME = re.compile(
    r"(?:^|[_\-.])(?:api)?(?:keys?|tokens?|secrets?|pass(?:word|wd|phrase)?|pwd?|pat|cred(?:ential)?s?|auth|bearer|dsn|"
    r"sas|cookie|conn(?:ection)?_?str(?:ing)?|private|jwt|webhook)(?:$|[_\-.\d])|apikey|password|secret|access_?key",
    re.IGNORECASE,
)
_SECRET_ATTRIBUTE = re.compile(
    r"pass(?:word|wd|phrase)|secret|api_?key|access_?(?:key|token)|auth_?token|bearer|credential|^_?token$",
    re.IGNORECASE,
)
"""Attributes of objects; narrower, since a `key` there is a column as often as not."""
_HARMLESS_NAME = re.compile(
    r"^(?:old)?pwd$|public|_(?:path|file|dir|sock|name|type|url|id|env|mode|limit|timeout)$|^tokenizers_", re.IGNORECASE
)
_SECRET_SHAPE = re.compile(
    r"(?<![\w-])(?:sk|pk|rk)[-_](?=[\w-]{0,200}\d)[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|"
    r"A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|hf_\w{20,}|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*|"
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
)
_URL_PASSWORD = re.compile(r"(?<![\w+.-])\w[\w+.-]*://[^\s/:@]*:([^\s/@]+)@")
_STRING_PASSWORD = re.compile(r"(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*([^;\s]+)", re.IGNORECASE)
_GIVERS = re.compile(r"(?:^|\.)(?:getpass|get_password|get_secret\w*|get_credential\w*|userdata\.get|secrets\.get)$")
"""Functions whose answer is secret, whatever it is called."""
_DATA = frozenset({"numpy", "pandas", "matplotlib", "polars", "pyarrow", "torch", "IPython", "agentloop_nb"})
"""Packages whose objects are data."""


def secrets_in(name: str, value: str) -> list[str]:
    """Return what is secret in a named value: all of it, or the password of an address or a connection string."""
    parts = [*(_URL_PASSWORD.findall(value) if "://" in value else ()), *_STRING_PASSWORD.findall(value)]
    if parts:
        return [*parts, *map(urllib.parse.unquote, parts)]
    if _SECRET_SHAPE.search(value):
        return [value, *(line for line in value.splitlines() if len(line) > MIN_LENGTH and "-----" not in line)]
    if _SECRET_NAME.search(name) and not _HARMLESS_NAME.search(name):
        return [value]
    return []


def shapes_in(text: str) -> list[str]:
    """What in a text looks like a key of a known service, and the passwords in its addresses."""
    shapes = [found[0] for found in _SECRET_SHAPE.finditer(text)]
    passwords = _URL_PASSWORD.findall(text) if "://" in text else []
    return [*shapes, *passwords, *map(urllib.parse.unquote, passwords)]


class KnownSecrets(Masker):
    """Masks what looks secret in the process, and looks again when asked: code may load a key, or connect with one."""

    def __init__(self, keys: Iterable[str], environ: Mapping[str, str], namespace: Mapping[str, Any]) -> None:
        super().__init__(keys)
        self._environ, self._namespace = environ, namespace
        self._given: set[str] = set()
        """Names that hold what a vault or a prompt for a password gave."""
        self._seen: dict[str, str] = {}
        """Texts that were looked at, by name."""
        self.look()

    def expect(self, sources: Iterable[str]) -> None:
        """Learn from code which names will hold secrets, or do already."""
        for source in sources:
            if "get" in source and (names := set(_given(source))):
                self._given |= names
                self._seen = {name: text for name, text in self._seen.items() if name not in names}

    def look(self) -> None:
        """Look at the environment and the namespace as they are now. Nothing is called that could run user's code."""
        found: list[str] = []
        inside = _Inside()
        for name, value in [*self._environ.items(), *reversed(list(self._namespace.items()))]:
            if type(value) is not str:
                found += inside.of(name, value)
            elif len(value) < MAX_TEXT and self._seen.get(name) is not value:
                self._seen[name] = value
                found += [value] if name in self._given else secrets_in(name, value)
        self.learn(found)


class _Inside:
    """What is secret inside values: in dictionaries, named tuples, and the attributes of objects."""

    def __init__(self) -> None:
        from pydantic import SecretStr

        self._secret = SecretStr
        self._room = MAX_OBJECTS

    def of(self, name: str, value: Any) -> Iterator[str]:
        """Look into a variable."""
        if type(value) is dict:
            for key, item in _items(value):
                yield from (
                    secrets_in(key, item) if type(item) is str and len(item) < MAX_TEXT else self._within(key, item)
                )
        else:
            yield from self._within(name, value)

    def _within(self, name: str, value: Any, depth: int = 3) -> Iterator[str]:
        self._room -= 1
        if type(value) is str:
            if len(value) < MAX_TEXT:
                yield from [value] if _SECRET_ATTRIBUTE.search(name) else secrets_in("", value)
        elif type(value) is self._secret:
            yield value.get_secret_value()
        elif depth and self._room > 0:
            for key, item in _items(value):
                yield from self._within(key, item, depth - 1)


def _items(value: Any) -> list[tuple[str, Any]]:
    """The named parts of a value."""
    kind = type(value)
    if kind is dict:
        items = list(value.items()) if len(value) <= MAX_ITEMS else []
    elif isinstance(value, ModuleType | FunctionType | type) or kind.__module__.partition(".")[0] in _DATA:
        items = []
    elif isinstance(value, tuple) and isinstance(fields := _in_class(kind, "_fields"), tuple):
        items = list(zip(fields, tuple.__iter__(value), strict=False))
    else:
        attributes = _attributes(value)
        items = list(attributes.items()) if len(attributes) <= MAX_ITEMS else []
    return [(key, item) for key, item in items if type(key) is str]


def _in_class(kind: type, name: str) -> Any:
    """What the first class that has the name defines it as."""
    return next((vars(each)[name] for each in type.mro(kind) if name in vars(each)), None)


def _attributes(value: Any) -> dict[str, Any]:
    """An object's own dictionary, unless its class makes one up by code of its own."""
    slot = _in_class(type(value), "__dict__")
    found = slot.__get__(value) if isinstance(slot, GetSetDescriptorType) else None
    return found if type(found) is dict else {}


def _given(source: str) -> Iterator[str]:
    """Names that code binds to what a vault or a prompt gave."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value and _asks(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _asks(value: ast.expr) -> bool:
    calls = (node.func for node in ast.walk(value) if isinstance(node, ast.Call))
    return any(_GIVERS.search(ast.unparse(call)) for call in calls)


def known_secrets(
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
    keys: Iterable[Any],
    namespace: Mapping[str, Any] | None = None,
) -> KnownSecrets:
    """Gather what looks secret: in the environment, the .env file, the model keys, and the user's variables.

    `keys` are strings or pydantic `SecretStr`, all secret. Of the namespace strings, secrets, dictionaries of strings
    and the attributes of objects are looked at.
    """
    values = [key if isinstance(key, str) else str(key.get_secret_value()) for key in keys]
    for name, value in dotenv.items():
        values += secrets_in(name, value)
    return KnownSecrets(values, environ, {} if namespace is None else namespace)
