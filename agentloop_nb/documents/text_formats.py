"""Formats that are text: tables with delimiters, JSON, notebooks, Markdown, HTML."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

from agentloop_nb.documents.outline import MAX_TEXT, Outline, Part, Refused, decoded, table

SAMPLE = 1 << 18
"""Bytes of a table that are looked at."""
MAX_JSON = 32 << 20
MAX_PLAIN = 1 << 20
"""Bytes of a plain text that are read."""
ROWS = 200
"""Rows of a table with delimiters that are told; all of them are for run_code."""


def size_of(file: IO[bytes]) -> int:
    """Return the bytes of a file, and go back to its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def read_csv(file: IO[bytes], name: str) -> Outline:
    """Find encoding and dialect of a table: the outline says how to load it."""
    size = size_of(file)
    text, encoding = decoded(file.read(SAMPLE))
    if size > SAMPLE:
        text = text.rpartition("\n")[0]
    delimiter = dialect(text)
    try:
        rows = list(itertools.islice(csv.reader(io.StringIO(text), delimiter=delimiter), ROWS + 1))
    except csv.Error as error:
        raise Refused(f"it cannot be read as a table ({error})") from None
    call = f"pd.read_csv({name!r}{_arguments(delimiter, encoding, rows[1:])})"
    columns = ", ".join(rows[0])[:2000] if rows else "none"
    facts = [f"{size:,} bytes", f"load it with {call}", f"first line: {columns}"]
    return Outline(
        facts, [Part("first 20 rows", lambda: table(rows[:21])), Part("first 200 rows", lambda: table(rows))]
    )


def _arguments(delimiter: str, encoding: str, rows: list[list[str]]) -> str:
    given = [] if delimiter == "," else [f"sep={delimiter!r}"]
    given += [] if encoding == "utf-8" else [f"encoding={encoding!r}"]
    cells = [cell.strip() for row in rows for cell in row]
    if delimiter != "," and any(re.fullmatch(r"-?\d{1,3}(\.\d{3})+(,\d+)?|-?\d+,\d+", cell) for cell in cells):
        given.append("decimal=','")
        if any(re.fullmatch(r"-?\d{1,3}(\.\d{3})+(,\d+)?", cell) for cell in cells):
            given.append("thousands='.'")
    return "".join(f", {each}" for each in given)


def dialect(text: str) -> str:
    """Return the delimiter that gives the most even table; `csv.Sniffer` takes letters and colons for one."""
    best = (0.0, ",")
    for delimiter in ",;\t|":
        try:
            rows = [row for row in itertools.islice(csv.reader(io.StringIO(text), delimiter=delimiter), 60) if row]
        except csv.Error:
            continue
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=widths.count, default=1)
        if usual > 1:
            best = max(best, (widths.count(usual) / len(widths) + min(usual, 50) / 1000, delimiter))
    return best[1]


def shape(value: Any, depth: int = 0) -> str:
    """Tell the structure of a JSON value without its values."""
    if isinstance(value, dict):
        if depth >= 4:
            return "{...}"
        inner = ", ".join(f"{str(key)[:60]}: {shape(item, depth + 1)}" for key, item in list(value.items())[:20])
        return "{" + inner + (", ..." if len(value) > 20 else "") + "}"
    if isinstance(value, list):
        return f"[{len(value)} x {shape(value[0], depth + 1)}]" if value and depth < 8 else f"[{len(value)}]"
    return type(value).__name__


def read_json(file: IO[bytes], name: str) -> Outline:
    """Tell the structure of a JSON file, and its text."""
    size = size_of(file)
    if size > MAX_JSON:
        raise Refused(f"{size:,} bytes of JSON are too many to be read here; load it with run_code")
    value = _json(decoded(file.read())[0])
    text = json.dumps(value, ensure_ascii=False, indent=1)
    facts = [f"{size:,} bytes", f"structure: {shape(value)[:2000]}"]
    return Outline(facts, _pieces(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Refused("its JSON is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"it is no valid JSON ({error})"[:300]) from None


def read_jsonl(file: IO[bytes], name: str) -> Outline:
    """Tell the structure of the first line, and the first lines."""
    size = size_of(file)
    text = decoded(file.read(SAMPLE))[0]
    lines = [line for line in text.splitlines() if line.strip()][:ROWS]
    facts = [
        f"{size:,} bytes",
        f"load it with pd.read_json({name!r}, lines=True)",
        f"first line: {shape(_json(lines[0]))[:1500] if lines else 'none'}",
    ]
    return Outline(facts, [Part("first lines", lambda: "\n".join(line[:500] for line in lines[:40]))])


def read_ipynb(file: IO[bytes], name: str) -> Outline:
    """List a notebook's cells; each is a part, with its outputs as text."""
    notebook = _json(decoded(file.read(MAX_JSON))[0])
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Refused("it is no notebook of format 4: it has no cells")
    parts = [Part(f"{cell.get('cell_type')} cell: {_first(_source(cell))}", partial(_shown, cell)) for cell in cells]
    return Outline([f"{len(cells)} cells"], parts)


def _source(cell: dict[str, Any]) -> str:
    return _joined(cell.get("source"))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _first(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")[:70]


def _shown(cell: dict[str, Any]) -> str:
    outputs = (each for each in cell.get("outputs") or () if isinstance(each, dict))
    return "\n".join([_source(cell), *map(_output, outputs)])


def _output(output: dict[str, Any]) -> str:
    data = output.get("data") if isinstance(output.get("data"), dict) else {}
    assert isinstance(data, dict)
    text = _joined(output.get("text") or data.get("text/plain") or output.get("evalue"))
    pictures = "".join(f" [{mime}]" for mime in data if str(mime).startswith("image/"))
    return f"--> {text[:1500]}{pictures}"


def read_markdown(file: IO[bytes], name: str) -> Outline:
    """Split a text at its headings."""
    size, (text, encoding) = size_of(file), decoded(file.read(MAX_PLAIN))
    sections = [each for each in re.split(r"(?m)^(?=#{1,3} )", text) if each.strip()]
    parts = [Part(_first(each) or "text", partial(str, each)) for each in sections]
    return Outline(_facts(size, encoding, text), parts)


def read_text(file: IO[bytes], name: str) -> Outline:
    """Cut a plain text into pieces that can be told."""
    size, (text, encoding) = size_of(file), decoded(file.read(MAX_PLAIN))
    return Outline(_facts(size, encoding, text), _pieces(text))


def _facts(size: int, encoding: str, text: str) -> list[str]:
    cut = [f"only the first {MAX_PLAIN:,} bytes are read here"] if size > MAX_PLAIN else []
    return [f"{size:,} bytes, {encoding}, {text.count(chr(10)) + 1:,} lines", *cut]


def _pieces(text: str) -> list[Part]:
    """Return a long text as parts of a size that is told whole, cut at ends of lines where there are some."""
    return [Part(_first(piece) or "text", partial(str, piece)) for piece in _cut(text)]


def _cut(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = start + MAX_TEXT - 500
        line = text.rfind("\n", start, end) + 1 if end < len(text) else 0
        yield text[start : line if line > start else end]
        start = line if line > start else end


def read_html(file: IO[bytes], name: str) -> Outline:
    """Take the text out of a page that lies in a file."""
    size, body = size_of(file), file.read(MAX_PLAIN * 4)
    from trafilatura import extract

    text = extract(body, output_format="markdown", include_tables=True, favor_recall=True, fast=size > 400_000) or ""
    if not text.strip():
        text = re.sub(r"(?s)<(script|style).*?(</\1>|\Z)|<[^<>]{0,2000}>", " ", decoded(body)[0])
    return Outline([f"{size:,} bytes"], _pieces(text.strip()))
