"""What a file is, by its bytes; its suffix decides only between kinds of text."""

from __future__ import annotations

import zipfile
from typing import IO

from agentloop_nb.documents.outline import Refused

_OFFICE = {"word/document.xml": "docx", "ppt/presentation.xml": "pptx", "xl/workbook.xml": "xlsx"}
_TEXTS = {
    "htm": "html",
    "html": "html",
    "xhtml": "html",
    "md": "md",
    "markdown": "md",
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "ipynb": "ipynb",
    "geojson": "json",
}
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")


def kind_of(file: IO[bytes], suffix: str) -> str:
    """Name the kind of a file. Raises `Refused` for what cannot be read."""
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    if not head:
        raise Refused("it is empty")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive(file)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("an old or an encrypted Office file (OLE); save it as .docx, .xlsx or .pptx without a password")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refused("a binary file of a kind that is not known; look at it with run_code")
    return _TEXTS.get(suffix, "text")


def _archive(file: IO[bytes]) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise Refused(f"it is a damaged archive ({error})") from None
    finally:
        file.seek(0)
    return next((kind for inside, kind in _OFFICE.items() if inside in names), "zip")
