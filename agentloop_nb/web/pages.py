"""Fetching one address within its limits, and turning what came into a page of text."""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, Popen
from typing import IO

import httpx2

from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Page
from agentloop_nb.web import extract
from agentloop_nb.web.guard import GuardedTransport
from agentloop_nb.web.retry import Again
from agentloop_nb.web.threads import in_thread

DEADLINE = 30.0
"""Seconds one page may take to arrive, all redirects included."""
STALL = 10.0
"""Seconds of silence after which a server is given up."""
MAX_BYTES = 2_000_000
"""Bytes of a page, after decompression."""
MAX_PDF_BYTES = 20_000_000
MAX_REDIRECTS = 5
EXTRACTION_DEADLINE = 20.0
"""Seconds taking a page apart may take."""

_HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; agentloop_nb)",
    "Accept": "text/html,application/xhtml+xml,text/plain,application/json,application/pdf;q=0.9,*/*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
}
_TEXT = re.compile(
    r"text/.*|application/(.*[+-])?(json|xml|yaml|toml|javascript|x-ndjson|x-sh|sql|csv|rtf|x-tex|x-bibtex)"
)
_CHARSET = re.compile(r"utf|ascii|iso|windows|cp\d|koi8|gb|big5|euc|shift|mac|latin|tis|hz|johab", re.IGNORECASE)


@dataclass(frozen=True)
class Fetched:
    """What an address answered. `body` is None for media that are only described; `size` is in bytes, if known."""

    url: str
    media_type: str
    charset: str | None
    body: bytes | None
    size: int | None


async def fetch(url: str, transport: GuardedTransport) -> Fetched:
    """Get an address, all redirects followed, within the limits above. Raises `ActionFailed`, or `Again`."""
    try:
        async with (
            asyncio.timeout(DEADLINE),
            httpx2.AsyncClient(
                transport=transport, follow_redirects=True, max_redirects=MAX_REDIRECTS, timeout=STALL, headers=_HEADERS
            ) as client,
            client.stream("GET", url) as response,
        ):
            _check_status(response)
            return await _receive(response)
    except TimeoutError as error:
        raise ActionFailed(f"{url} was not read whole within {DEADLINE:.0f} s; try another source.") from error
    except httpx2.TooManyRedirects as error:
        raise ActionFailed(f"{url} redirects more than {MAX_REDIRECTS} times.") from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError) as error:
        raise ActionFailed(f"{url!r} is no address that can be read ({error}); give a full https address.") from error
    except (httpx2.DecodingError, httpx2.LocalProtocolError) as error:
        raise ActionFailed(f"{url} sent a body that cannot be decoded ({error}).") from error
    except httpx2.TransportError as error:
        raise Again(_line(error)) from error


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:200]


def _check_status(response: httpx2.Response) -> None:
    status = f"{response.url} answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code == 429 or response.status_code >= 500:
        after = response.headers.get("retry-after", "")
        raise Again(status, float(after) if after.isdecimal() else None)
    if response.status_code in (401, 403):
        raise ActionFailed(f"{status}: it wants a login or turns programs away. Try another source.")
    if not response.is_success:
        raise ActionFailed(f"{status}.")


async def _receive(response: httpx2.Response) -> Fetched:
    media_type, _, parameters = response.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters, re.IGNORECASE)
    declared = response.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() and len(declared) < 16 else None
    url = str(response.url)
    if not _readable(media_type):
        return Fetched(url, media_type, None, None, size)
    limit = MAX_PDF_BYTES if media_type == "application/pdf" else MAX_BYTES
    if size is not None and size > limit:
        raise _too_large(url, limit)
    if "," in response.headers.get("content-encoding", ""):
        raise ActionFailed(f"{url} is compressed more than once, which no honest page is.")
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > limit:
            raise _too_large(url, limit)
    return Fetched(url, media_type or _sniff(body), charset and charset[1], bytes(body), len(body))


def _readable(media_type: str) -> bool:
    return (
        not media_type
        or media_type == "application/pdf"
        or _TEXT.fullmatch(media_type) is not None
        or "html" in media_type
    )


def _too_large(url: str, limit: int) -> ActionFailed:
    return ActionFailed(
        f"{url} is larger than {limit // 1_000_000} MB, the most read_url reads. Look for a smaller page, "
        "or download it with run_code and read the part you need."
    )


def _sniff(body: bytes | bytearray) -> str:
    """Guess the type of a body that was sent without one."""
    start = bytes(body[:1024]).lstrip().lower()
    if start.startswith(b"%pdf-"):
        return "application/pdf"
    return "text/html" if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) else "text/plain"


async def to_page(fetched: Fetched, max_length: int) -> Page:
    """Turn what was fetched into text of at most `max_length` characters. Raises `ActionFailed`."""
    body = fetched.body
    if body is None or (fetched.media_type != "application/pdf" and b"\0" in body[:1024] and not _utf16(body)):
        return _described(fetched)
    if fetched.media_type == "application/pdf":
        found = await _extracted("pdf", fetched.url, body, max_length)
    elif "html" in fetched.media_type:
        found = await _extracted("html", fetched.url, _decoded(body, fetched.charset).encode(), max_length)
    else:
        found = {"title": "", "text": _decoded(body, fetched.charset)}
    text = found["text"].strip()
    if not text:
        raise ActionFailed(
            f"{fetched.url} has no readable text: it is empty, a scan, or made by JavaScript. Try another source."
        )
    return Page(
        url=fetched.url,
        title=found["title"][:300],
        text=text[:max_length],
        media_type=fetched.media_type,
        truncated=len(text) > max_length,
    )


def _utf16(body: bytes) -> bool:
    return body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _described(fetched: Fetched) -> Page:
    size = "size unknown" if fetched.size is None else f"{fetched.size:,} bytes"
    kind = fetched.media_type or "unknown type"
    text = f"[{kind}, {size}: not text, so it is not shown. run_code can download it if the user wants it.]"
    return Page(url=fetched.url, text=text, media_type=kind)


def _decoded(body: bytes, charset: str | None) -> str:
    if charset is None:
        declared = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]{1,40})", body[:4096], re.IGNORECASE)
        charset = declared[1].decode() if declared else "utf-16" if _utf16(body) else "utf-8-sig"
    try:
        return body.decode(charset if _CHARSET.match(charset) else "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def bounded_child(arguments: Sequence[str], source: IO[bytes] | int = PIPE, **further: str) -> Popen[bytes]:
    """Start a Python that takes apart what a stranger wrote: it knows no secret, and has `further` variables.

    It is none of asyncio's children: these need a loop that Jupyter on Windows does not run.
    """
    return Popen(
        [sys.executable, "-P", *arguments],
        stdin=source,
        stdout=PIPE,
        stderr=DEVNULL,
        env=child_environment() | further,
        cwd=tempfile.gettempdir(),
    )


async def _extracted(kind: str, url: str, body: bytes, characters: int) -> dict[str, str]:
    """Take a page apart in a child process. Raises `ActionFailed`."""
    child = bounded_child([extract.__file__, kind, url, str(characters)])
    try:
        async with asyncio.timeout(EXTRACTION_DEADLINE):
            answer, _ = await in_thread(lambda: child.communicate(body), "agentloop-extract")
        found: dict[str, str] = json.loads(answer)
    except (TimeoutError, ValueError) as error:
        raise ActionFailed(f"{url} cannot be taken apart within its limits; try another source.") from error
    finally:
        child.kill()  # the thread sees the end of the pipe, and reaps it
    if "error" in found:
        raise ActionFailed(f"{url} cannot be taken apart ({found['error']}); try another source.")
    return found


def child_environment() -> dict[str, str]:
    """No key or token: only what Python needs to start and to find the same packages."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
