"""Word documents and PowerPoint slides, read from their XML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from agentloop_nb.documents.archives import links, tree, weighed
from agentloop_nb.documents.outline import Outline, Part, Refused, table

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"


def read_docx(file: IO[bytes], name: str) -> Outline:
    """Split a document at its headings; tables keep their rows, what a tracked change deleted is left out."""
    archive = weighed(file)
    levels = _levels(tree(archive, "word/styles.xml"))
    document = tree(archive, "word/document.xml")
    body = document.find(f"{_W}body")
    if body is None:
        raise Refused("it is a document without a body")
    sections: list[tuple[str, list[str]]] = [("(beginning)", [])]
    for node in body:
        if node.tag == f"{_W}tbl":
            sections[-1][1].append(_grid(node))
        elif node.tag == f"{_W}p" and (text := _words(node).strip()):
            style = node.find(f"{_W}pPr/{_W}pStyle")
            kind = "" if style is None else str(style.get(f"{_W}val"))
            if depth := levels.get(kind):
                sections.append((f"{'#' * depth} {text}", []))
            else:
                item = "List" in kind or node.find(f"{_W}pPr/{_W}numPr") is not None
                sections[-1][1].append(f"- {text}" if item else text)
    kept = [(title, texts) for title, texts in sections if texts or title.startswith("#")]
    notes = [
        f"has {each}, which are not shown"
        for each in ("comments", "footnotes")
        if f"word/{each}.xml" in archive.namelist()
    ]
    return Outline([f"{len(kept)} sections", *notes], [_section(*each) for each in kept])


def _section(title: str, texts: list[str]) -> Part:
    return Part(title, lambda: "\n\n".join(texts))


def _levels(styles: Any) -> dict[str, int]:
    """Return the depth of a heading, by the id of its style."""
    found = {}
    for style in styles.iter(f"{_W}style") if styles is not None else ():
        name = style.find(f"{_W}name")
        told = "" if name is None else str(name.get(f"{_W}val"))
        if match := re.fullmatch(r"heading (\d)", told, re.IGNORECASE):
            found[str(style.get(f"{_W}styleId"))] = int(match[1])
    return found


def _words(node: Any) -> str:
    marks = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}drawing": "[picture]"}
    return "".join(
        marks.get(each.tag, each.text or "")
        for each in node.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}drawing")
        if each.tag != f"{_W}tab" or each.getparent().tag == f"{_W}r"
    )


def _grid(node: Any) -> str:
    """Return a table; `<` stands for a cell merged with the one to its left, `^` with the one above."""
    return table([list(_row(row)) for row in node.iterchildren(f"{_W}tr")])


def _row(row: Any) -> Iterator[str]:
    for cell in row.iterchildren(f"{_W}tc"):
        span, down = cell.find(f"{_W}tcPr/{_W}gridSpan"), cell.find(f"{_W}tcPr/{_W}vMerge")
        covered = down is not None and down.get(f"{_W}val") != "restart"
        yield "^" if covered else " ".join(filter(None, map(_words, cell.iter(f"{_W}p"))))
        yield from ["<"] * (min(_number(span.get(f"{_W}val")), 100) - 1 if span is not None else 0)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 6 else 1


def read_pptx(file: IO[bytes], name: str) -> Outline:
    """List slides by their titles; a slide's text, tables and notes are a part."""
    archive = weighed(file)
    show = tree(archive, "ppt/presentation.xml")
    targets = links(archive, "ppt/presentation.xml")
    parts = []
    for number, one in enumerate(show.iter(f"{_P}sldId"), 1):
        place = targets.get(str(one.get(f"{_R}id")), ("", ""))[1]
        slide = tree(archive, place)
        if slide is None:
            continue
        hidden = " (hidden)" if slide.get("show") == "0" else ""
        title, texts = _slide(slide)
        notes = next((path for kind, path in links(archive, place).values() if kind == "notesSlide"), "")
        if notes and (said := tree(archive, notes)) is not None:
            texts.append("Notes: " + " ".join(_lines(said)))
        parts.append(_section(f"slide {number}{hidden}: {title}", texts))
    return Outline([f"{len(parts)} slides"], parts)


def _slide(slide: Any) -> tuple[str, list[str]]:
    title, texts = "", []
    for shape in slide.iter(f"{_P}sp", f"{_P}graphicFrame", f"{_P}pic"):
        holder = shape.find(f".//{_P}ph")
        if shape.tag == f"{_P}pic":
            texts.append("[picture]")
        elif (grid := shape.find(f".//{_A}tbl")) is not None:
            texts.append(
                table([[" ".join(_lines(cell)) for cell in row.iter(f"{_A}tc")] for row in grid.iter(f"{_A}tr")])
            )
        elif holder is not None and holder.get("type") in ("title", "ctrTitle"):
            title = " ".join(_lines(shape))
        else:
            texts.append("\n".join(_lines(shape)))
    return title, [text for text in texts if text.strip()]


def _lines(node: Any) -> list[str]:
    lines = ("".join(text.text or "" for text in line.iter(f"{_A}t")) for line in node.iter(f"{_A}p"))
    return [line for line in lines if line.strip()]
