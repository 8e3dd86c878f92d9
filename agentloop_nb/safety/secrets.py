"""Which values are secret: in the environment, the .env file, the model keys and the namespace, as they are now."""

from __future__ import annotations

import ast
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from agentloop_nb._internal import environment
from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb._internal.type_info import TypeSet
from agentloop_nb.safety.holders import MAX_TEXT, PLAIN, Looker
from agentloop_nb.safety.redaction import MASK, MIN_LENGTH, Masker, Tail, maskable
from agentloop_nb.safety.written_secrets import (
    is_secret,
    of_commands,
    of_tree,
    passwords,
    put_in_addresses,
    url_passwords,
)

__all__ = ["MASK", "KnownSecrets", "Masker", "Tail", "known_secrets", "maskable", "secrets_in"]

MAX_OBJECTS = 2000
"""Parts of values that one look goes into."""
MANY = 32
"""Parts of a value from which it is looked into again only when it changed."""
MAX_CELL = 200_000
"""Characters of a cell whose code is read."""

_SECRET_ATTRIBUTE = re.compile(
    r"pass(?:word|wd|phrase)|secret|api_?key|access_?(?:key|token)|auth_?token|bearer|credential|^_?token$",
    re.IGNORECASE,
)
"""Attributes of objects; narrower, since a `key` there is a column as often as not."""
_SECRET_SHAPE = re.compile(
    r"(?<![\w-])(?:sk|pk|rk)[-_](?=[\w-]{0,200}\d)[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|"
    r"A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|hf_\w{20,}|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*|"
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
)
_GIVERS = re.compile(r"(?:^|\.)(?:getpass|get_password|get_secret\w*|get_credential\w*|userdata\.get|secrets\.get)$")
"""Functions whose answer is secret, whatever it is called."""
_HEADER = re.compile(r"(?:proxy-)?authorization|x-api-key|api-key|x-auth-token|cookie|set-cookie", re.IGNORECASE)
"""Headers of a request that are secret."""


def secrets_in(name: str, value: str) -> list[str]:
    """Return what is secret in a named value: all of it, or the password of an address or a connection string."""
    if parts := passwords(value):
        return parts
    if _SECRET_SHAPE.search(value):
        return [value, *(line for line in value.splitlines() if len(line) > MIN_LENGTH and "-----" not in line)]
    return [value] if is_secret(name, value) else []


def shapes_in(text: str) -> list[str]:
    """Return what in a text looks like a key of a known service, and the passwords in its addresses."""
    return [*(found[0] for found in _SECRET_SHAPE.finditer(text)), *url_passwords(text)]


_SIZED = TypeSet(dict, list, tuple, set)


class KnownSecrets(Masker):
    """Masks what looks secret in the process, and looks again when asked: code may load a key, or connect with one."""

    def __init__(self, keys: Iterable[str], environ: Mapping[str, str], namespace: Mapping[str, Any]) -> None:
        super().__init__(keys)
        self._environ, self._namespace = environ, namespace
        self._given: set[str] = set()
        """Names that hold what a vault or a prompt for a password gave."""
        self._seen: dict[str, str] = {}
        """Texts that were looked at, by name."""
        self._read: set[str] = set()
        """Code that was read, so that each cell is read once."""
        self._large: dict[str, tuple[int, int]] = {}
        """Values with many parts that were looked into, by name: their identity and length then."""
        self.look()

    def expect(self, sources: Iterable[str]) -> bool:
        """Learn from code the secrets that are written in it, and tell whether it names what holds some, or will."""
        names_any = False
        for source in sources:
            if source in self._read or len(source) > MAX_CELL:
                continue
            names, written = _taught(source)
            self.learn(written)
            if names:
                names_any = True
                self._given |= names
                self._seen = {name: text for name, text in self._seen.items() if name not in names}
            self._read.add(source)
        return names_any

    def look(self) -> None:
        """Look at the environment and the namespace as they are now. Nothing is called that could run user's code."""
        found: list[str] = []
        looker = Looker(_in_text, MAX_OBJECTS)
        variables = environment.variables() if self._environ is os.environ else self._environ
        for name, value in [*variables.items(), *reversed(list(self._namespace.items()))]:
            if type(value) is not str:
                found += self._inside(looker, name, value) if type(value) not in PLAIN else ()
            elif (
                len(value) < MAX_TEXT and self._seen.get(name) != value
            ):  # the environment may make them anew each time
                self._seen[name] = value
                found += [value] if name in self._given else secrets_in(name, value)
        self.learn(found)

    def _inside(self, looker: Looker, name: str, value: Any) -> list[str]:
        """Secrets in a value; one with many parts is gone into when it is new, or longer or shorter than it was."""
        known = self._large.get(name) if type(value) in _SIZED else None
        if (known is not None and known == (id(value), len(value))) or looker.room <= 0:
            return []
        before = looker.room
        found = list(looker.into(name, value))
        if before - looker.room > MANY and looker.room > 0:
            self._large[name] = (id(value), len(value) if type(value) in _SIZED else 0)
        return found


def _in_text(name: str, text: str, *, attribute: bool) -> Iterator[str]:
    """Yield what is secret in a text inside a value."""
    header = _HEADER.fullmatch(name)
    if header and text.lower() != name.lower():
        yield from (text, text.rpartition(" ")[2])
    elif attribute:
        yield from [text] if _SECRET_ATTRIBUTE.search(name) else secrets_in("", text)
    elif text.lower() != name.lower():
        yield from secrets_in(name, text)


@functools.lru_cache(maxsize=4096)
def _taught(source: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return what code tells of secrets: the names that will hold one, and those that are written in it."""
    tree = parsed(to_python(source)[0])
    names = frozenset([*(_given(tree) if "get" in source else ()), *put_in_addresses(tree)])
    return names, tuple(_written(source, tree))


def _written(source: str, tree: ast.AST | None) -> Iterator[str]:
    """Yield secrets that are written in a cell."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < MAX_TEXT:
            yield from shapes_in(node.value)
    yield from of_tree(tree, partial(_in_text, attribute=False))
    yield from of_commands(source)


def _given(tree: ast.AST | None) -> Iterator[str]:
    """Names that code binds to what a vault or a prompt gave."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value and _asks(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _asks(value: ast.expr) -> bool:
    calls = (node.func for node in ast.walk(value) if isinstance(node, ast.Call))
    return any(_GIVERS.search(ast.unparse(call)[-200:]) for call in calls)


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
