"""Reads one document from standard input, in a process of its own that can be ended at any time.

Documents are written by strangers, and parsers can be made to loop or to eat memory: here that costs a child process.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import IO

from agentloop_nb.documents import binary_formats, office, spreadsheets, text_formats
from agentloop_nb.documents.file_kinds import kind_of
from agentloop_nb.documents.outline import MAX_TEXT, Outline, Refused

MEMORY, SECONDS = 1 << 30, 20
"""Bytes of address space and seconds of processor time, where the system can limit them."""
MAX_FILE = 200 << 20
"""Bytes of a document."""
MAX_LISTED = 60
"""Parts an outline names."""
MAX_FACT = 4_000

READERS = {
    "pdf": binary_formats.read_pdf,
    "docx": office.read_docx,
    "pptx": office.read_pptx,
    "xlsx": spreadsheets.read_xlsx,
    "csv": text_formats.read_csv,
    "json": text_formats.read_json,
    "jsonl": text_formats.read_jsonl,
    "ipynb": text_formats.read_ipynb,
    "html": text_formats.read_html,
    "md": text_formats.read_markdown,
    "text": text_formats.read_text,
    "parquet": binary_formats.read_parquet,
    "image": binary_formats.read_image,
    "zip": binary_formats.read_zip,
}


def read(file: IO[bytes], name: str, part: str) -> dict[str, str]:
    """Return `kind`, `facts` (structure without values) and `text`: the outline, or the parts asked for."""
    size = text_formats.size_of(file)
    if size > MAX_FILE:
        raise Refused(f"it has {size:,} bytes, more than is read here; load it with run_code")
    kind = kind_of(file, name.rpartition(".")[2].lower() if "." in name else "")
    outline = READERS[kind](file, name)
    facts = "\n".join(fact[:MAX_FACT] for fact in outline.facts)
    text = _parts(outline, part) if part else _listed(outline)
    return {"kind": kind, "facts": facts, "text": text.strip("\n")}


def _listed(outline: Outline) -> str:
    """Return the outline; a document of one part is told at once."""
    if len(outline.parts) == 1:
        return _parts(outline, "1")
    lines = [f"{number}. {one_line(part.label)}" for number, part in enumerate(outline.parts[:MAX_LISTED], 1)]
    more = len(outline.parts) - MAX_LISTED
    return "\n".join([*lines, *([f"... and {more:,} more parts"] if more > 0 else [])])


def one_line(text: str) -> str:
    """Return a label on one line, cut where it is long."""
    return " ".join(text.split())[:120]


def _parts(outline: Outline, asked: str) -> str:
    first, last = _range(asked, len(outline.parts))
    told: list[str] = []
    size = 0
    for number, part in enumerate(outline.parts[first - 1 : last], first):
        text = part.text()
        told.append(f"[{number}. {one_line(part.label)}]\n{text}")
        size += len(told[-1])
        if size > MAX_TEXT:
            break
    whole = "\n\n".join(told)
    return (
        whole if len(whole) <= MAX_TEXT else f"{whole[:MAX_TEXT]}\n[cut at {MAX_TEXT:,} characters, in part {number}]"
    )


def _range(asked: str, count: int) -> tuple[int, int]:
    first, _, last = asked.replace(" ", "").partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and len(asked) < 20):
        raise Refused(f"part is a number of the outline or a range like 2-4, not {asked[:40]!r}")
    numbers = int(first), int(last or first)
    if not 1 <= numbers[0] <= numbers[1] or numbers[0] > count:
        raise Refused(f"there is no part {asked[:20]}: it has {count:,} part{'' if count == 1 else 's'}")
    return numbers


def limit() -> None:
    """Bound this process; it may write nothing."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """Read `NAME PART` from the arguments and the document from standard input."""
    limit()
    name, part = sys.argv[1:]
    try:
        found = read(sys.stdin.buffer, name, part)
    except Refused as error:
        found = {"error": str(error)[:500]}
    except MemoryError:
        found = {"error": "it takes more memory than a document may"}
    except Exception as error:  # noqa: BLE001 - a parser of a stranger's file may raise anything
        found = {"error": f"it cannot be taken apart ({type(error).__name__}: {error})"[:300]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
