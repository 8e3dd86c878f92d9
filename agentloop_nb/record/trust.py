"""Whose a record is: signed by this user, vouched for by this user, or a stranger's; and the key that tells.

A line of a record ends in its signature, as the last key of its object:

    {"kind": "...", ..., "sig": "<64 hexadecimal digits>"}

The signature is HMAC-SHA256, with this user's key, of the signature before it and the line's bytes without `, "sig":
"..."`. Before the first line stands the word `own` (a run of this user wrote it) or `vouched` (the user trusts a record
that somebody else, or version 0.1.0, wrote). Each line is signed by itself, so a torn last line spoils none before it,
and a run that goes on appends to the chain. The key lies outside of all working folders, in the user's data folder.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from agentloop_nb._internal import atomic
from agentloop_nb._internal.links import refuse_links
from agentloop_nb.errors import UserError

Standing = Literal["own", "vouched", "foreign"]
"""`own` was written by this user's runs; `vouched` may run, but sets nothing; `foreign` is only read."""

SIGNATURE = "sig"
"""Last key of a signed line."""
KEY_SIZE = 32
"""Bytes of the key."""
MAX_RECORD = 1024 * 1024 * 1024
"""Bytes of a record that are read at all."""

_HEAD, _TAIL = b', "sig": "', b'"}'
_DIGITS = 64
_PRIVATE = ".agentloop"


class Chain(NamedTuple):
    """Signs the lines of a record, each together with the signature before it."""

    last: bytes
    """The signature before the next line, or the word that stands before the first."""
    key: bytes

    def sign(self, line: bytes) -> tuple[bytes, Chain]:
        """Sign a line: return it (an object in JSON, without its break) with its signature, and the chain after it."""
        signature = self.signature(line)
        return line[:-1] + _HEAD + signature + _TAIL, self._replace(last=signature)

    def signature(self, line: bytes) -> bytes:
        """Return what the next line is signed with."""
        return hmac.new(self.key, self.last + b"\n" + line, "sha256").hexdigest().encode()


def begin(standing: Standing = "own") -> Chain | None:
    """Return the chain of a new record; None for one that nobody vouches for."""
    return None if standing == "foreign" else Chain(standing.encode(), _key(data_folder()))


def standing(record: Path) -> Standing:
    """Whose a record is, judged by all its lines."""
    return _judged(record)[0]


def chain_of(record: Path) -> Chain | None:
    """Return the chain to go on with at the end of a record; None if it is nobody's we know."""
    return _judged(record)[1]


def _judged(record: Path) -> tuple[Standing, Chain | None]:
    try:
        lines = _content(record).removesuffix(b"\n").split(b"\n")
    except OSError:
        lines = []
    words: tuple[Standing, ...] = ("own", "vouched")
    for word in words if lines else ():
        if (chain := _follow(Chain(word.encode(), _key(data_folder())), lines)) is not None:
            return word, chain
    return "foreign", None


def _content(record: Path) -> bytes:
    """Return the bytes of a record. Raises `OSError` for what is none."""
    refuse_links(record)
    if not record.is_file() or record.stat().st_size > MAX_RECORD:
        raise OSError(f"{record} is no record")
    return record.read_bytes()


def _follow(chain: Chain, lines: list[bytes]) -> Chain | None:
    """Return the chain after these lines, or None if one is not signed; a torn last line counts for nothing."""
    start = chain
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        signature = line[-_DIGITS - len(_TAIL) : -len(_TAIL)]
        if hmac.compare_digest(signature, chain.signature(_unsigned(line))):
            chain = chain._replace(last=signature)
        elif number < len(lines) or not _torn(line):
            return None
    return None if chain is start else chain


def _unsigned(line: bytes) -> bytes:
    """Return a line without its signature."""
    end = len(line) - len(_HEAD) - _DIGITS - len(_TAIL)
    signed = end > 0 and line.endswith(_TAIL) and line.startswith(_HEAD, end)
    return line[:end] + b"}" if signed else line


def _torn(line: bytes) -> bool:
    try:
        json.loads(line.decode("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return True
    except (ValueError, RecursionError):
        return False
    return False


# -- the key


def data_folder() -> Path | None:
    """Where this user's own data lie, outside of all working folders; None where there is no such place."""
    named = os.environ.get("XDG_DATA_HOME", "")
    try:
        if Path(named).is_absolute():
            root = Path(named)
        elif sys.platform == "win32":
            root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            root = Path.home().joinpath(*_USUAL.get(sys.platform, (".local", "share")))
    except RuntimeError:
        return None
    return root / "agentloop-nb"


_USUAL = {"darwin": ("Library", "Application Support")}


@lru_cache(maxsize=8)
def _key(folder: Path | None) -> bytes:
    """Read the user's key, made at first use. Where none can be kept, one lasts as long as the process."""
    fresh = secrets.token_bytes(KEY_SIZE)
    if folder is None:
        return fresh
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _kept(folder / "key", fresh)
    except OSError:
        return fresh


def _kept(path: Path, fresh: bytes) -> bytes:
    """Return the key in a file that only this user may read.

    `fresh` is put there if there is none yet. Raises `OSError`.
    """
    if not path.exists():
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(fresh)
            _put(unfinished, path)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    if path.is_symlink() or path.stat().st_size != KEY_SIZE:
        raise OSError(f"{path} is no key")
    if os.name == "posix":
        if path.stat().st_uid != os.getuid():
            raise OSError(f"{path} belongs to somebody else")
        path.chmod(0o600)
    return path.read_bytes()


def _put(unfinished: str, path: Path) -> None:
    """Give a whole file its name; one that another process put there first stays."""
    if not hasattr(os, "link"):  # a browser's Python, which has one process
        Path(unfinished).replace(path)
        return
    with contextlib.suppress(FileExistsError):
        os.link(unfinished, path)


# -- vouching


class Vouched(NamedTuple):
    """What came of vouching for the records of a folder."""

    folder: Path
    now: list[str]
    """Runs that are trusted now, and were not before."""
    before: int
    """Records that were trusted already."""
    left: dict[str, str]
    """Runs that could not be vouched for, and why."""

    @property
    def told(self) -> str:
        """What to tell the person."""
        if not self.now and not self.before and not self.left:
            return f"No run is recorded in {self.folder}, so there is nothing to trust."
        lines = [f"Trusted from now on in {self.folder}: {', '.join(self.now) or 'nothing new'}."]
        lines += [f"  Trusted before: {self.before}."] if self.before else []
        lines += [f"  NOT trusted: {run} ({why})" for run, why in self.left.items()]
        if self.now:
            lines.append("  Their code may be run by resume, fork, adopt and export; they set no option.")
        return "\n".join(lines)


def vouch(place: Path) -> Vouched:
    """Trust all records that lie in a folder now, or one record, by signing them. Raises `UserError`."""
    one = place.suffix == ".jsonl"
    if not (place.is_file() if one else place.is_dir()):
        raise UserError(f"there is no folder {place}; name one that holds recorded runs: agentloop trust FOLDER")
    records = [place] if one else sorted(_records(place))
    now, left, before = [], {}, 0
    for record in records:
        if standing(record) != "foreign":
            before += 1
            continue
        try:
            _sign(record)
            now.append(record.stem)
        except OSError as error:
            left[record.stem] = error.strerror or str(error)
    return Vouched(place, now, before, left)


def _records(folder: Path) -> Iterator[Path]:
    yield from (folder / _PRIVATE / "runs").glob("*.jsonl")


def _sign(record: Path) -> None:
    """Sign all whole lines of a record as vouched for; the file is replaced in one step. Raises `OSError`."""
    chain, signed = Chain(b"vouched", _key(data_folder())), []
    for line in _content(record).split(b"\n"):
        plain = _unsigned(line.strip())
        if plain.endswith(b"}") and not _torn(plain):
            plain, chain = chain.sign(plain)
            signed.append(plain + b"\n")
        elif plain:
            break  # torn or damaged: what follows is not vouched for
    if not signed:
        raise OSError("it holds no whole line")
    atomic.replace(record, b"".join(signed))
