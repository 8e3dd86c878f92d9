"""PDF, Parquet, images, and archives that are only listed."""

from __future__ import annotations

import re
from typing import IO, Any

from agentloop_nb.documents.archives import MAX_ENTRIES
from agentloop_nb.documents.outline import Outline, Part, Refused
from agentloop_nb.documents.text_formats import size_of

_UNTOLD = {0x8825, 0x927C}
"""EXIF tags: where a picture was taken, and what the maker of the camera adds, is nobody's business."""


MOST_PAGES = 5_000
"""Of a PDF: to list so many takes a second."""


def read_pdf(file: IO[bytes], name: str) -> Outline:
    """List the pages of a PDF; columns of tables are kept apart in their text."""
    from pypdf import PdfReader

    reader = PdfReader(file)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused("it is encrypted; a person has to open it with its password and save it without")
    _refuse_too_many(reader)
    count = len(reader.pages)
    scanned = not any(reader.pages[number].extract_text().strip() for number in range(min(3, count)))
    facts = [f"{count:,} pages"]
    facts += ["no text on its first pages: scanned or drawn, and pictures of text are not read"] if scanned else []
    return Outline(facts, [_page_part(reader, number) for number in range(count)])


def _refuse_too_many(reader: Any) -> None:
    """Look through the tree of pages no further than to their bound: pypdf lists them all before it tells one.

    What the tree says of its own size is not believed.
    """
    waiting, seen = [node for node in [reader.root_object.get("/Pages")] if node is not None], set()
    while waiting:
        node = waiting.pop()
        place = (getattr(node, "idnum", id(node)), getattr(node, "generation", None))
        found = node.get_object() if place not in seen else None
        seen.add(place)
        kids = found["/Kids"] if isinstance(found, dict) and "/Kids" in found else None
        waiting += kids if isinstance(kids, list) else ()
        if len(seen) + len(waiting) > MOST_PAGES:
            raise Refused(f"it has more than {MOST_PAGES:,} pages; split it with run_code, and read a part")


def _page_part(reader: Any, number: int) -> Part:
    return Part(f"page {number + 1}", lambda: _page(reader, number))


def _page(reader: Any, number: int) -> str:
    text = str(reader.pages[number].extract_text(extraction_mode="layout"))
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return re.sub(r"[ ]{3,}", "  |  ", "\n".join(lines))


def read_parquet(file: IO[bytes], name: str) -> Outline:
    """Tell the columns of a Parquet file, and its first rows."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise Refused("reading Parquet needs pyarrow: pip install pyarrow") from None
    found = parquet.ParquetFile(file)
    columns = "; ".join(f"{field.name}: {field.type}" for field in found.schema_arrow)[:4000]
    facts = [f"{found.metadata.num_rows:,} rows", f"load it with pd.read_parquet({name!r})", f"columns: {columns}"]
    return Outline(facts, [Part("first rows", lambda: str(next(found.iter_batches(20)).to_pandas().to_string()))])


def read_image(file: IO[bytes], name: str) -> Outline:
    """Tell the size of an image from its header; nothing is drawn, and where it was taken is not told."""
    try:
        from PIL import ExifTags, Image
    except ImportError:
        raise Refused("telling what is in an image needs Pillow: pip install pillow") from None
    try:
        image = Image.open(file)
    except Exception as error:  # noqa: BLE001 - a stranger's file
        raise Refused(f"it is a damaged image ({type(error).__name__})") from None
    facts = [f"{image.format} {image.width} x {image.height} {image.mode}, {size_of(file):,} bytes"]
    exif = {
        ExifTags.TAGS.get(tag, str(tag)): str(value)[:100]
        for tag, value in image.getexif().items()
        if tag not in _UNTOLD
    }
    told = "\n".join(f"{tag}: {value}" for tag, value in exif.items())
    return Outline(facts, [Part("EXIF", lambda: told)] if exif else [])


def read_zip(file: IO[bytes], name: str) -> Outline:
    """List what is in an archive. Nothing is unpacked."""
    import zipfile

    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    whole = sum(entry.file_size for entry in entries)
    listed = "\n".join(f"{entry.file_size:>12,} {entry.filename[:200]}" for entry in entries[: MAX_ENTRIES // 20])
    facts = [f"{len(entries):,} files, {whole:,} bytes when unpacked; it is not unpacked here"]
    return Outline(facts, [Part("names", lambda: listed)])
