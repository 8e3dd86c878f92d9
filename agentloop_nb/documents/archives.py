"""Zip archives from strangers, weighed before they are opened, and the XML in them."""

from __future__ import annotations

import posixpath
import zipfile
from typing import IO, Any

from agentloop_nb.documents.outline import Refused

MAX_UNPACKED = 300 << 20
"""Bytes of all that an archive unpacks to."""
MAX_XML = 64 << 20
"""Bytes of one XML file that is read as a tree."""
MAX_ENTRIES = 10_000
MAX_RATIO = 200
"""How many times its packed size an archive may unpack to."""


def weighed(file: IO[bytes]) -> zipfile.ZipFile:
    """Open an archive whose contents are bearable. What is read is bounded again, since a header may lie."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise Refused(f"it is a damaged archive ({error})") from None
    entries = archive.infolist()
    whole, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if len(entries) > MAX_ENTRIES or whole > MAX_UNPACKED or whole > MAX_RATIO * max(packed, 4096):
        raise Refused(f"an archive of {len(entries):,} files that unpacks {packed:,} bytes to {whole:,} is not opened")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refused("it is encrypted; a person has to open it with its password and save it without")
    return archive


def content(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Return one file of an archive, checked for what no Office program writes; None where it is missing."""
    try:
        with archive.open(name) as file:
            data = file.read(MAX_XML + 1)
    except KeyError:
        return None
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise Refused(f"{name} in it is damaged ({error})") from None
    if len(data) > MAX_XML:
        raise Refused(f"{name} in it is larger than {MAX_XML >> 20} MB")
    refuse_entities(data, name)
    return data


def refuse_entities(data: bytes, name: str) -> None:
    """Raise `Refused` for XML that declares entities: files of this computer, or text without end."""
    plain = data.replace(b"\0", b"")  # UTF-16
    if b"<!DOCTYPE" in plain[:8192] or b"<!ENTITY" in plain:
        raise Refused(f"{name} in it declares a document type, which no Office program writes")


def tree(archive: zipfile.ZipFile, name: str) -> Any:
    """Return one XML file of an archive as a tree; None where it is missing."""
    data = content(archive, name)
    return None if data is None else parsed(data, name)


def parsed(data: bytes, name: str) -> Any:
    """Return XML as a tree. No entity is resolved, and nothing is fetched."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Refused(f"{name} in it is no valid XML ({error})") from None


def links(archive: zipfile.ZipFile, name: str) -> dict[str, tuple[str, str]]:
    """Return what a part of an Office file refers to: id -> kind and path in the archive."""
    folder, base = posixpath.split(name)
    found = tree(archive, f"{folder}/_rels/{base}.rels")
    return {
        str(link.get("Id")): (
            str(link.get("Type")).rsplit("/", 1)[-1],
            posixpath.normpath(posixpath.join(folder, str(link.get("Target")))).lstrip("/"),
        )
        for link in (found if found is not None else ())
    }
