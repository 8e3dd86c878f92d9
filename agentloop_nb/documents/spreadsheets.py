"""Excel workbooks, read from their XML: merged cells, hidden sheets and formulas that were never computed are told."""

from __future__ import annotations

import re
import zipfile
from datetime import datetime, timedelta
from typing import IO, Any

from agentloop_nb.documents.archives import links, refuse_entities, tree, weighed
from agentloop_nb.documents.outline import MAX_COLUMNS, MAX_ROWS, Outline, Part, Refused, table

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_QUOTED = re.compile(r'"[^"]{0,255}"|\[[^\]]{0,255}\]|\\.')
MAX_MERGED = 2_000
LONGEST_CODE = 1_000
"""Characters of the code of a format that are read."""

Rows = dict[int, dict[int, str]]


class Book:
    """What cells refer to: shared texts, formats that are dates, the day that counts as zero."""

    def __init__(self, archive: zipfile.ZipFile, book: Any) -> None:
        self.texts = _texts(tree(archive, "xl/sharedStrings.xml"))
        self.dated = _dated(tree(archive, "xl/styles.xml"))
        settings = book.find(f"{_S}workbookPr")
        late = settings is not None and settings.get("date1904") in ("1", "true")
        self.zero = datetime(1904, 1, 1) if late else datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet has no zone

    def value(self, cell: Any) -> str:
        """Return a cell as a person would see it, but for its format."""
        kind, stored = cell.get("t", "n"), cell.find(f"{_S}v")
        if kind == "inlineStr":
            return "".join(text.text or "" for text in cell.iter(f"{_S}t"))
        if stored is None or stored.text is None:
            formula = cell.find(f"{_S}f")
            return "" if formula is None else f"={formula.text or ''} (never computed)"
        if kind == "s":
            return self._shared(stored.text)
        if kind == "b":
            return "TRUE" if stored.text == "1" else "FALSE"
        return self._number(cell, stored.text) if kind == "n" else str(stored.text)

    def _shared(self, number: str) -> str:
        return self.texts[int(number)] if number.isdecimal() and int(number) < len(self.texts) else "?"

    def _number(self, cell: Any, text: str) -> str:
        style = str(cell.get("s", "0"))
        if not (style.isdecimal() and int(style) < len(self.dated) and self.dated[int(style)]):
            return text
        try:
            moment = self.zero + timedelta(days=float(text))
        except (ValueError, OverflowError):
            return text
        midnight = moment.time().isoformat() == "00:00:00"
        return moment.date().isoformat() if midnight else moment.isoformat(" ", "seconds")


def read_xlsx(file: IO[bytes], name: str) -> Outline:
    """List the sheets of a workbook; each is a part."""
    archive = weighed(file)
    workbook = tree(archive, "xl/workbook.xml")
    targets = links(archive, "xl/workbook.xml")
    book: list[Book] = []

    def opened() -> Book:
        if not book:
            book.append(Book(archive, workbook))
        return book[0]

    parts, facts = [], []
    for one in workbook.iter(f"{_S}sheet"):
        place = targets.get(str(one.get(f"{_R}id")), ("", ""))[1]
        size = _dimension(archive, place)
        hidden = "" if one.get("state", "visible") == "visible" else " (hidden)"
        facts.append(f"sheet {one.get('name')!r}{hidden} {size}".rstrip())
        parts.append(_sheet(archive, place, facts[-1], opened))
    call = f"load a sheet with pd.read_excel({name!r}, sheet_name=...)"
    told = "in parts, '<' is a cell merged with the one to its left, '^' with the one above"
    return Outline([f"{len(parts)} sheets: {'; '.join(facts[:50])}", call, told], parts)


def _sheet(archive: zipfile.ZipFile, place: str, label: str, opened: Any) -> Part:
    return Part(label, lambda: _rows_told(*_rows(archive, place, opened())))


def _dimension(archive: zipfile.ZipFile, place: str) -> str:
    try:
        with archive.open(place) as file:
            start = file.read(8192)
    except KeyError:
        raise Refused("a sheet of it is missing") from None
    refuse_entities(start, place)
    size = re.search(rb'<(?:\w+:)?dimension ref="([A-Z0-9:]{1,20})"', start)
    return size[1].decode() if size else ""


def _rows(archive: zipfile.ZipFile, place: str, book: Book) -> tuple[Rows, list[str]]:
    """Return the first rows of a sheet, and what is merged.

    A tree of two million cells would take more than a gigabyte.
    """
    from lxml import etree

    rows: Rows = {}
    merged: list[str] = []
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    with archive.open(place) as file:
        for _, node in etree.iterparse(file, tag=(f"{_S}row", f"{_S}mergeCell"), **options):
            if node.tag == f"{_S}mergeCell":
                merged += [str(node.get("ref"))] if len(merged) < MAX_MERGED else []
            elif len(rows) < MAX_ROWS:
                _take(node, rows, book)
            node.clear()
            while node.getprevious() is not None:
                del node.getparent()[0]
    return rows, merged


def _take(node: Any, rows: Rows, book: Book) -> None:
    for cell in node.iterchildren(f"{_S}c"):
        place = _PLACE.fullmatch(str(cell.get("r")))
        if place and (column := _column(place[1])) <= MAX_COLUMNS:
            rows.setdefault(int(place[2]), {})[column] = book.value(cell)


def _rows_told(rows: Rows, merged: list[str]) -> str:
    last, wide = max(rows, default=0), max((max(cells, default=0) for cells in rows.values()), default=0)
    for reference in merged:
        _spread(reference, rows, last, wide)
    rows = {number: cells for number, cells in rows.items() if any(cells.values())}
    head = ["row", *map(str, range(1, wide + 1))]
    told = table(
        [
            head,
            *(
                [number, *(cells.get(each, "") for each in range(1, wide + 1))]
                for number, cells in sorted(rows.items())
            ),
        ]
    )
    return told + (f"\n[the first {MAX_ROWS:,} rows; load it for the rest]" if len(rows) >= MAX_ROWS else "")


def _spread(reference: str, rows: Rows, last: int, wide: int) -> None:
    """Mark the cells that a merged one covers; one may claim the whole sheet."""
    ends = [_PLACE.fullmatch(end) for end in reference.split(":")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return
    (left, top), (right, bottom) = ((_column(end[1]), int(end[2])) for end in ends if end)
    for row in range(top, min(bottom, last, top + 500) + 1):
        for column in range(left, min(right, wide, left + MAX_COLUMNS) + 1):
            if (row, column) != (top, left):
                cells = rows.setdefault(row, {})
                cells[column] = cells.get(column) or ("^" if row > top else "<")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _texts(shared: Any) -> list[str]:
    """Return the texts that cells share, without what tells how they are spoken."""
    return [
        "".join(text.text or "" for text in each.iter(f"{_S}t") if text.getparent().tag != f"{_S}rPh")
        for each in (shared.iter(f"{_S}si") if shared is not None else ())
    ]


def _dated(styles: Any) -> list[bool]:
    """Whether each format of cells is one of dates."""
    if styles is None:
        return []
    codes = {str(each.get("numFmtId")): str(each.get("formatCode", "")) for each in styles.iter(f"{_S}numFmt")}
    formats = styles.find(f"{_S}cellXfs")
    return [_is_date(str(each.get("numFmtId", "0")), codes) for each in (formats if formats is not None else ())]


def _is_date(number: str, codes: dict[str, str]) -> bool:
    if number in codes:
        return re.search("[ymdhs]", _QUOTED.sub("", codes[number][:LONGEST_CODE]), re.IGNORECASE) is not None
    return number.isdecimal() and (14 <= int(number) <= 22 or 45 <= int(number) <= 47)
