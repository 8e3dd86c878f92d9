"""Takes a page apart into title and text. Run as a program, in a process of its own that can be ended at any time.

Pages are written by strangers, and parsers can be made to loop or to eat memory: here that costs a child process.
It reads bytes from standard input and writes one JSON object; it imports nothing of this package.
"""

from __future__ import annotations

import contextlib
import html.parser
import io
import json
import sys

MEMORY = 1 << 30
"""Bytes of address space the child may use, where the system can limit it."""
LARGE = 400_000
"""Bytes from which the faster, simpler extraction is used."""


def page(body: bytes, url: str) -> dict[str, str]:
    """Return `title` and `text` (Markdown) of an HTML page; text is empty when there is none to read."""
    from lxml import html as lxml_html
    from trafilatura import extract

    text = extract(
        body,
        url=url,
        output_format="markdown",
        include_links=True,
        include_tables=True,
        include_formatting=True,
        favor_recall=True,
        fast=len(body) > LARGE,
    )
    title = ""
    with contextlib.suppress(Exception):
        title = " ".join(lxml_html.fromstring(body).findtext(".//title", "").split())
    return {"title": title, "text": text or plain(body)}


def plain(body: bytes) -> str:
    """Return the text between tags, for pages that have no article in them."""
    reader = _Text()
    reader.feed(body.decode(errors="replace"))
    return "\n".join(" ".join(line.split()) for line in "".join(reader.parts).splitlines() if line.strip())


class _Text(html.parser.HTMLParser):
    """Collects what a reader would see."""

    hidden = frozenset({"script", "style", "template", "noscript", "head", "svg"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self.hidden:
            self._inside.append(tag)
        else:
            self.parts.append("\n" if tag not in {"a", "b", "i", "em", "span", "strong", "code"} else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[self._inside.index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.parts.append(data)


def pdf(body: bytes, characters: int) -> dict[str, str]:
    """Return `title` and `text` of a PDF, page after page until there are enough characters."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(body))
    parts: list[str] = []
    length = 0
    for number, sheet in enumerate(reader.pages, 1):
        parts.append(f"[page {number} of {len(reader.pages)}]\n{sheet.extract_text()}")
        length += len(parts[-1])
        if length > characters:
            break
    title = str((reader.metadata and reader.metadata.title) or "")
    return {"title": title, "text": "\n\n".join(parts)}


def main() -> None:
    """Read `{html|pdf} URL CHARACTERS` from the arguments and the body from standard input."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    kind, url, characters = sys.argv[1:]
    body = sys.stdin.buffer.read()
    try:
        found = pdf(body, int(characters)) if kind == "pdf" else page(body, url)
    except Exception as error:  # noqa: BLE001  # a parser of a stranger's file may raise anything; the parent needs one line
        found = {"error": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
