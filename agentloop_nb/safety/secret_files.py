"""Which files are not to be given away: by their names, and by what they hold."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from agentloop_nb.safety.redaction import maskable
from agentloop_nb.safety.secrets import shapes_in

MAX_READ = 64 * 1024 * 1024
"""Bytes of a file, unpacked, that are looked through."""
MAX_NAMED = 8 * 1024 * 1024
"""Characters of a text in which pairs of names and values are looked for."""
BY_ITS_NAME = "it looks like a secret file"
BY_CONTENT = "it holds a secret"

_NAMES = re.compile(
    r"\.?envrc|\.env(?:[._-].*)?|.*\.env|[._]netrc|\.pgpass|pgpass\.conf|\.my\.cnf|\.pypirc|\.npmrc|\.yarnrc(?:\.yml)?|"
    r"\.git-credentials|\.htpasswd|\.dockercfg|\.dockerconfigjson|\.s3cfg|\.boto|\.vault-token|"
    r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|.*_(?:rsa|ed25519)|"
    r".*\.(?:pem|key|p12|pfx|p8|jks|keystore|kdbx?|ppk|gpg|pgp|asc|keychain|keychain-db|keyring|kwallet|ovpn|keytab)|"
    r"(?:.*[._ -])?(?:credentials?|secrets?|passwords?|passwd|passphrase|api[._-]?keys?|access[._-]?keys?|keyring|"
    r"private[._-]?keys?)(?:[._ -].*)?|"
    r"(?:.*[._ -])?(?:tokens?|cookies?|auth)(?:\.(?:txt|json|ya?ml|toml|ini|cfg|conf|sqlite3?|db|pickle|pkl|bin|dat))?|"
    r"shadow|kubeconfig|wallet\.dat|login data|key[34]\.db|logins\.json|keys?(?:\.(?:txt|json|ya?ml|toml|ini))?|"
    r"service[._-]?account.*\.json|client_secret.*\.json|application_default_credentials\.json|terraform\.tfstate.*",
    re.IGNORECASE,
)
_FOLDERS = frozenset(
    {".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".secrets", ".pki"}
    | {"gcloud", "keyrings", "secrets", "credentials"}
)
_PUBLIC = re.compile(r".*\.pub|.*\.(?:example|sample|template|dist)|.*(?:cookiecutter|tokeni[sz]er).*", re.IGNORECASE)

_STRONG = re.compile(
    r"pass(?:word|wd|phrase)|secret|api[_.-]?key|access[_.-]?key|private[_.-]?key|auth[_.-]?token|access[_.-]?token|"
    r"client[_.-]?secret|credential|account[_.-]?key",
    re.IGNORECASE,
)
_WEAK = re.compile(r"(?:^|[_.-])(?:key|token|pwd?|pat|auth|bearer|dsn|sas|cookie|jwt|webhook)s?$|token$", re.IGNORECASE)
_PAIR = re.compile(
    r"""(?<![\w.-])([\w.-]++)\\{0,3}["']?[ \t]{0,8}[:=][ \t]{0,8}(\\{0,3}["']?)([^"'\s,;{}\[\]\\]{4,512})"""
)
_ELEMENT = re.compile(r"<([\w.-]{1,80})>([^<>\s]{4,512})</")
_BEARER = re.compile(r"\b(?:Bearer|Basic|Token)[ \t]{1,8}([\w.~+/=-]{12,512})")
_CONNECTION = re.compile(r"""[;"'](?:password|pwd|accountkey|sharedaccesskey)=([^;\s"']{4,512})""", re.IGNORECASE)
_PLAIN_CONNECTION = re.compile(r"\b(?:password|pwd|accountkey|sharedaccesskey)=([^;\s\"']{4,512})", re.IGNORECASE)
_BLOCK = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY")
_EMPTY = re.compile(
    r"none|null|true|false|nil|undefined|change_?me|your[_-].*|x{3,}.*|\*+|\.{3}|example.*|todo", re.IGNORECASE
)
_NESTED = 3
"""How deep archives in archives are looked into."""
_DAMAGE = (ValueError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError)
"""What reading a damaged, locked or exotic archive raises."""
_CODE = frozenset({".py", ".r", ".js", ".ts", ".sql", ".ipynb", ".md", ".rst", ".html", ".sh", ".jl"})
_TABLES = frozenset({".csv", ".tsv"})
_PASSWORD_COLUMN = re.compile(r"pass(?:word|wd|phrase)|secret|api_?key|access_?key|private_?key|(?:access|auth)_token")


def looks_secret(path: str) -> bool:
    """Whether a file's name or place says that it is secret."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not parts or _PUBLIC.fullmatch(parts[-1]):
        return False
    return bool(_NAMES.fullmatch(parts[-1])) or bool({part.lower() for part in parts[:-1]} & _FOLDERS)


def why_secret(path: str, content: bytes, hides: Callable[[str], bool]) -> str:
    """Why a file is not to be given away; empty where nothing speaks against it. `hides` knows secrets in texts."""
    if looks_secret(path):
        return BY_ITS_NAME
    known = any(map(hides, texts(content)))
    return BY_CONTENT if known or any(True for _ in values_in(path, content)) else ""


def gives_away(content: bytes, hides: Callable[[str], bool]) -> bool:
    """Whether a file that we made ourselves holds a known secret, or what looks like a key."""
    return any(hides(text) or shapes_in(text) for text in texts(content))


def texts(content: bytes) -> Iterator[str]:
    """Yield what a file says, in every way it may be read: unpacked, and as UTF-8 or UTF-16."""
    for part in _unpacked(content[:MAX_READ]):
        yield part.decode("utf-8", "replace")
        if b"\0" in part[:4096]:
            yield part.replace(b"\0", b"").decode("latin-1")


def values_in(path: str, content: bytes) -> Iterator[str]:
    """Secrets that a file holds, told by their names, their looks, or the name of the file."""
    suffix, secret = PurePosixPath(path).suffix.lower(), looks_secret(path)
    for text in texts(content):
        yield from _by_looks(text, code=suffix in _CODE)
        if suffix in _TABLES:
            yield from _columns(text)
            continue
        yield from _named(text[:MAX_NAMED], quoted=suffix in _CODE)
        if suffix in (".json", ".jsonl", ".ipynb"):
            yield from _in_json(text[:MAX_NAMED])
        if secret:
            yield from filter(_random, (line.strip() for line in text.splitlines()[:1000]))
            yield from (pair[3] for pair in _PAIR.finditer(text[:MAX_NAMED]) if _random(pair[3]))


def _unpacked(content: bytes) -> Iterator[bytes]:
    """Yield the bytes, and those of the members where they are an archive, archives inside it included."""
    waiting, room = [(content, _NESTED)], MAX_READ
    while waiting:
        part, depth = waiting.pop()
        yield part
        for inner in _parts(part, room) if depth else ():
            room -= len(inner)
            waiting.append((inner, depth - 1))


def _parts(content: bytes, room: int) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield _gunzipped(content, room)
    elif zipfile.is_zipfile(io.BytesIO(content)):  # also behind something else
        with suppress(*_DAMAGE):
            yield from _members(content, room)


def _gunzipped(content: bytes, room: int) -> bytes:
    """Return what can be unpacked, of all the streams that stand one after another."""
    parts: list[bytes] = []
    with suppress(*_DAMAGE), gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        while room > 0 and (part := file.read1(room)):
            parts.append(part)
            room -= len(part)
    return b"".join(parts)


def _members(content: bytes, room: int) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist()[:10_000]:
            part = b""
            with suppress(*_DAMAGE):  # those after it are read all the same
                part = b"" if member.is_dir() or room <= 0 else archive.open(member).read(room)
            room -= len(part)
            yield part


def _by_looks(text: str, *, code: bool) -> Iterator[str]:
    if _BLOCK.search(text):
        yield "-----BEGIN PRIVATE KEY-----"
        yield from (line for line in text.splitlines() if len(line) > 20 and "-----" not in line)
    yield from shapes_in(text)
    yield from _BEARER.findall(text)
    yield from _CONNECTION.findall(text)
    if not code:
        yield from _PLAIN_CONNECTION.findall(text)


def _named(text: str, *, quoted: bool) -> Iterator[str]:
    for pair in _PAIR.finditer(text):
        if pair[2] or not quoted:
            yield from _if_secret(pair[1], pair[3])
    for element in _ELEMENT.finditer(text):
        yield from _if_secret(element[1], element[2])


def _if_secret(name: str, value: str) -> Iterator[str]:
    if value[0] in "$<%(" or _EMPTY.fullmatch(value) or value.replace(".", "").isdecimal():
        return
    if _STRONG.search(name) or (_WEAK.search(name) and _random(value)):
        yield value


def _random(value: str) -> bool:
    """Whether a value is more likely made by chance than written by a person."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return 12 <= len(value) <= 10_000 and mixed and " " not in value and maskable(value)


def _columns(text: str) -> Iterator[str]:
    """Yield the values of a table's columns of passwords."""
    lines = text.split("\n", 100_000)
    names = [name.strip().strip("\"'").lower() for name in re.split("[,;\t]", lines[0])]
    wanted = [index for index, name in enumerate(names) if _PASSWORD_COLUMN.fullmatch(name)]
    for line in lines[1:] if wanted else ():
        fields = [each.strip().strip("\"'") for each in re.split("[,;\t]", line)]
        yield from (fields[index] for index in wanted if index < len(fields) and len(fields[index]) >= 4)


def _in_json(text: str) -> Iterator[str]:
    for part in [text, *text.splitlines()[:10_000]]:
        try:
            yield from _leaves("", json.loads(part))
        except (ValueError, RecursionError):
            continue


def _leaves(name: str, value: Any, depth: int = 50) -> Iterator[str]:
    """Texts below a name that says they are secret."""
    if isinstance(value, str):
        if len(value) >= 4:
            yield from _if_secret(name, value)
        return
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = ((name, item) for item in value)
    for key, item in items if depth else ():
        yield from _leaves(str(key) if not _STRONG.search(name) else name, item, depth - 1)
