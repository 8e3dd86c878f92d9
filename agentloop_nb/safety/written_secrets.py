"""Secrets that stand in code: by the name they are given to, or in a connection string, a query or a command line."""

from __future__ import annotations

import ast
import re
import urllib.parse
from collections.abc import Callable, Iterator

from agentloop_nb.safety.holders import MAX_TEXT

NAME = re.compile(
    r"(?:^|[_\-.])(?:api)?(?:keys?|tokens?|secrets?|pass(?:word|wd|phrase)?|pwd?|pat|cred(?:ential)?s?|auth|bearer|dsn|"
    r"sas|cookie|conn(?:ection)?_?str(?:ing)?|private|jwt|webhook)(?:$|[_\-.\d])|apikey|password|secret|access_?key",
    re.IGNORECASE,
)
HARMLESS_NAME = re.compile(
    r"public|_(?:path|file|dir|sock|name|type|url|id|env|mode|limit|timeout)$|^tokenizers_", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?<![\w+.-])\w[\w+.-]*://[^\s/:@]*:([^\s/@]+)@")
_DATABASE_URL = re.compile(
    r"(?<![\w+.-])(?:postgres\w*|mysql|mariadb|oracle|mssql|mongodb|redis\w*|amqps?|snowflake|clickhouse\w*|redshift|"
    r"cockroachdb|trino|presto|hive|db2)(?:\+\w+)?://[^\s/:@]{0,200}:([^\s\"'?]{1,400})@",
    re.IGNORECASE,
)
"""Their drivers take a password that holds slashes and at signs."""
_VALUE = r"(?:'([^'\n]{1,400})'|\"([^\"\n]{1,400})\"|\{([^}\n]{1,400})\}|([^;&\s'\"{,)]{1,400}))"
_PAIR = re.compile(
    r"(?:pass(?:word|wd|phrase)|pwd(?!=[/~])|accountkey|sharedaccesskey|secret(?:_?access)?_?key|api_?key|\bsecret|_token)"
    r"[ \t]{0,8}=[ \t]{0,8}" + _VALUE,
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"(?:\bpassword|\bidentified[ \t]{1,4}by|\bsecret|\bpragma[ \t]{1,4}key|(?:access|api|auth|secret)_(?:token|key)"
    r"|_(?:en|de)crypt\([^'\n]{1,80},)[ \t]{0,4}=?[ \t]{0,4}'([^'\n]{8,400})'",
    re.IGNORECASE,
)
"""What a statement of SQL names so, in single quotes."""
_COMMAND = re.compile(r"^[ \t]*(?:\w[\w, ]{0,79}=[ \t]*)?[!%]", re.MULTILINE)
_VARIABLE = re.compile(r"(?<![\w$-])(\w{1,60})(?:=|(?<=%env)[ \t]+)" + _VALUE)
_SET = re.compile(r"%(?:set_)?env[ \t]+(\w{1,60})[ \t]+(\S{1,400})")
_OPTION = re.compile(
    r"\b(?:mysql\w*|mariadb|sshpass)\b[^\n|;]{0,200}?[ \t]-p[ \t]?([^\s'\"-]\S{0,200})"
    r"|[ \t](?:-u|--user)[ \t=]{0,2}['\"]?\w{1,60}:([^\s'\"]{1,200})"
    r"|--(?:password|token|secret|api-key)[ \t=]{1,2}['\"]?([^\s'\"]{1,200})"
)
_TAKERS = re.compile(
    r"(?:login|authenticate|authorize|auth|token|secret|password|api_?key|credentials?)$", re.IGNORECASE
)
"""Functions that are called with a secret."""
_CONNECTS = re.compile(r"(?:connect\w*|create_pool|URL\.create|Connection)$")
"""Functions that are called with a place, a user and a password."""
_CODED = re.compile(r"(?:://[^\s/@]*:|(?:password|pwd|passwd)\s*=\s*['\"]?)$", re.IGNORECASE)
"""What stands before a password in an address that is put together."""

InText = Callable[[str, str], Iterator[str]]
"""What is secret in a text of that name."""


def passwords(text: str) -> list[str]:
    """Return the passwords in addresses and connection strings, as they are written and as they are meant."""
    found = [*_URL_PASSWORD.findall(text), *_DATABASE_URL.findall(text)] if "://" in text else []
    found += _filled(_PAIR, text) if "=" in text else []
    return [*found, *map(urllib.parse.unquote, found)]


def url_passwords(text: str) -> list[str]:
    """Return the passwords in addresses alone."""
    found = _URL_PASSWORD.findall(text) if "://" in text else []
    return [*found, *map(urllib.parse.unquote, found)]


def of_commands(source: str) -> Iterator[str]:
    """Yield what is secret in the shell lines and magics of a cell."""
    whole = source.lstrip().startswith("%%")
    lines = source.split("\n") if whole else [line for line in source.split("\n") if _COMMAND.match(line)]
    for line in (each[:MAX_TEXT] for each in lines):
        yield from passwords(line)
        yield from _filled(_OPTION, line)
        for name, value in [*((each[1], _of(each, 2)) for each in _VARIABLE.finditer(line)), *_SET.findall(line)]:
            if is_secret(name, value) and not value.startswith(("$", "{", "`")):
                yield value


def of_tree(tree: ast.AST | None, in_text: InText) -> Iterator[str]:
    """Yield what is secret of the texts that stand in code."""
    addressed = frozenset(put_in_addresses(tree))
    for node in ast.walk(tree) if tree else ():
        for name, value in _named(node):
            if (text := _text(value)) is not None:
                yield from [text] if name in addressed else in_text(name, text)
        match node:
            case ast.Call(func=func, args=[*arguments]):
                yield from _arguments(ast.unparse(func)[-200:], arguments)
            case ast.Constant(value=str(text)) if len(text) < MAX_TEXT:
                yield from passwords(text)
                yield from _STATEMENT.findall(text)


def put_in_addresses(tree: ast.AST | None) -> Iterator[str]:
    """Yield names that an address or a connection string takes its password from."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.JoinedStr):
            yield from _filling(node)


def _filling(text: ast.JoinedStr) -> Iterator[str]:
    before = ""
    for part in text.values:
        match part:
            case ast.Constant(value=str(written)):
                before += written[-200:]
            case ast.FormattedValue(value=ast.Name(id=name)) if _CODED.search(before[-200:]):
                yield name
            case _:
                before += "x"


def is_secret(name: str, value: str) -> bool:
    """Tell whether a value is secret by its name. `PWD` is where a shell stands, if its value is a path."""
    standing = name.lower() in ("pwd", "oldpwd") and (value[:1] in "/~." or value[1:2] == ":")
    return bool(NAME.search(name)) and not standing and not HARMLESS_NAME.search(name)


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the values that code gives to names."""
    match node:
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            yield from ((_name_of(key), value) for key, value in zip(keys, values, strict=True) if key)
        case ast.Assign(targets=targets, value=value):
            yield from (pair for target in targets for pair in _bound(target, value))
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield _name_of(target), value
        case ast.arguments(posonlyargs=first, args=args, defaults=defaults, kwonlyargs=only, kw_defaults=given):
            names = [*first, *args]
            pairs = [*zip(names[len(names) - len(defaults) :], defaults, strict=True), *zip(only, given, strict=True)]
            yield from ((each.arg, value) for each, value in pairs)


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Tuple(elts=targets) | ast.List(elts=targets), ast.Tuple(elts=values) | ast.List(elts=values):
            yield from ((_name_of(each), given) for each, given in zip(targets, values, strict=False))
        case _:
            yield _name_of(target), value


def _name_of(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))) | ast.Constant(value=str(name)):
            return name
    return ""


def _text(value: ast.expr | None) -> str | None:
    """Return the text that an expression is, if it is one that is written out."""
    match value:
        case ast.Constant(value=str(text)):
            return text if len(text) < MAX_TEXT else ""
        case ast.Constant(value=bytes(data)):
            return data.decode("utf-8", "replace") if len(data) < MAX_TEXT else ""
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = _text(left), _text(right)
            return None if None in parts else "".join(map(str, parts))
    return None


def _arguments(function: str, arguments: list[ast.expr]) -> Iterator[str]:
    """Yield secrets that a function is called with, which only their looks tell."""
    texts = [_text(each) for each in arguments]
    if _TAKERS.search(function):
        yield from (text for text in texts if text and _by_chance(text))
    elif _CONNECTS.search(function):
        yield from (text for text in texts[1:] if text and "." not in text and _by_chance(text))


def _by_chance(text: str) -> bool:
    mixed = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return 12 <= len(text) < 1000 and mixed and not set(text) & set(" /\\:")


def _filled(pattern: re.Pattern[str], text: str) -> list[str]:
    return [_of(found, 1) for found in pattern.finditer(text)]


def _of(found: re.Match[str], first: int) -> str:
    """Return the one group that took part, from a number on."""
    return next((group for group in found.groups()[first - 1 :] if group), "")
