"""Documents as text: the outline first, then parts by number; recorded, replayed and exported."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from agentloop_nb.actions import BUILT_IN, ActionResult, ReadDocument
from agentloop_nb.actions.registry import record_of
from agentloop_nb.decision import parse
from agentloop_nb.documents.reader import read
from agentloop_nb.errors import ActionFailed
from agentloop_nb.events import RunStarted
from agentloop_nb.export.inputs import inputs
from agentloop_nb.export.slicing import pieces
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.testing import FakeWorkspace, decide, finish
from tests.safety.test_documents import R, S, W, zipped

A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"

TABLES = {
    "plain.csv": ("a,b\n1,2\n3,4\n", "pd.read_csv('plain.csv')"),
    "semi.csv": ("a;b\n1;2\n3;4\n", "pd.read_csv('semi.csv', sep=';')"),
    "german.csv": (
        "Straße;Betrag\nMüller;1.234,50\n".encode("cp1252"),
        "pd.read_csv('german.csv', sep=';', encoding='cp1252', decimal=',', thousands='.')",
    ),
    "comma.csv": ("n;x\na;1,5\nb;2,5\n", "pd.read_csv('comma.csv', sep=';', decimal=',')"),
    "tabs.tsv": ("a\tb\n1\t2\n", "pd.read_csv('tabs.tsv', sep='\\t')"),
    "pipes.csv": ("a|b|c\n1|2|3\n", "pd.read_csv('pipes.csv', sep='|')"),
    "bom.csv": (b"\xef\xbb\xbfa,b\n1,2\n", "pd.read_csv('bom.csv', encoding='utf-8-sig')"),
    "wide.csv": ("a,b\n1,2\n".encode("utf-16"), "pd.read_csv('wide.csv', encoding='utf-16')"),
    "times.csv": ("t,v\n10:00:01,5\n10:00:02,6\n", "pd.read_csv('times.csv')"),
    "quoted.csv": ('a,b\n"x, y","p;q;r"\n"z, w","s;t;u"\n', "pd.read_csv('quoted.csv')"),
}


@pytest.mark.parametrize("name", TABLES)
async def test_the_outline_of_a_table_is_the_call_that_loads_it(name: str, tmp_path: Path) -> None:
    import pandas as pd

    content, call = TABLES[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = await read(tmp_path, name, "", "")
    assert f"load it with {call}" in found.facts.split("\n")
    loaded = eval(call.replace(repr(name), "path"), {"pd": pd, "path": path})  # as a person would type it
    assert list(loaded.columns) == [part.strip() for part in found.facts.split("first line: ")[1].split(",")]


async def test_numbers_of_a_german_table_become_numbers(tmp_path: Path) -> None:
    import pandas as pd

    content, _ = TABLES["german.csv"]
    path = tmp_path / "german.csv"
    path.write_bytes(content)
    loaded = pd.read_csv(path, sep=";", encoding="cp1252", decimal=",", thousands=".")
    assert loaded["Betrag"].tolist() == [1234.5]


def cell(place: str, value: str, kind: str = "n", style: int = 0) -> str:
    return f'<c r="{place}" t="{kind}" s="{style}"><v>{value}</v></c>'


def book(path: Path) -> None:
    sheet = (
        f'<worksheet xmlns="{S}"><dimension ref="A1:C4"/><sheetData>'
        f'<row r="1">{cell("A1", "0", "s")}{cell("C1", "1", "s")}</row>'
        f'<row r="2">{cell("A2", "46000", style=1)}{cell("B2", "1.5")}{cell("C2", "1", "b")}</row>'
        '<row r="3"><c r="A3"><f>SUM(B2:B9)</f></c><c r="B3" t="inlineStr"><is><t>a | b</t></is></c></row>'
        '</sheetData><mergeCells><mergeCell ref="A1:B1"/></mergeCells></worksheet>'
    )
    path.write_bytes(
        zipped(
            {
                "xl/workbook.xml": f'<workbook xmlns="{S}" xmlns:r="{R}"><sheets>'
                '<sheet name="Sales" sheetId="1" r:id="r1"/><sheet name="Old" sheetId="2" state="hidden" r:id="r2"/>'
                "</sheets></workbook>",
                "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELS}">'
                '<Relationship Id="r1" Type="t/worksheet" Target="worksheets/sheet1.xml"/>'
                '<Relationship Id="r2" Type="t/worksheet" Target="/xl/worksheets/sheet2.xml"/></Relationships>',
                "xl/sharedStrings.xml": f'<sst xmlns="{S}"><si><t>Region</t></si>'
                "<si><r><t>So</t></r><r><t>ld</t></r></si></sst>",
                "xl/styles.xml": f'<styleSheet xmlns="{S}"><cellXfs>'
                '<xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
                "xl/worksheets/sheet1.xml": sheet,
                "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{S}"><sheetData/></worksheet>',
            }
        )
    )


async def test_a_workbook_tells_merged_hidden_and_uncomputed(tmp_path: Path) -> None:
    book(tmp_path / "b.xlsx")
    outline = await read(tmp_path, "b.xlsx", "", "")
    assert outline.kind == "xlsx"
    assert outline.text == "1. sheet 'Sales' A1:C4\n2. sheet 'Old' (hidden)"
    sheet = (await read(tmp_path, "b.xlsx", "1", "")).text
    assert "| 1 | Region | < | Sold |" in sheet
    assert "| 2 | 2025-12-09 | 1.5 | TRUE |" in sheet
    assert "=SUM(B2:B9) (never computed)" in sheet
    assert "a \\| b" in sheet


def report(path: Path) -> None:
    def para(text: str, style: str = "") -> str:
        return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'

    grid = f"<w:tbl><w:tr><w:tc><w:tcPr/>{para('Region')}</w:tc><w:tc><w:tcPr/>{para('Q1')}</w:tc></w:tr></w:tbl>"
    gone = "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"
    body = para("Plan", "H1") + para("First.") + para("Costs", "H2") + grid + gone
    styles = "".join(f'<w:style w:styleId="H{n}"><w:name w:val="heading {n}"/></w:style>' for n in (1, 2))
    path.write_bytes(
        zipped(
            {
                "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
                "word/styles.xml": f'<w:styles xmlns:w="{W}">{styles}</w:styles>',
            }
        )
    )


async def test_a_document_is_split_at_its_headings(tmp_path: Path) -> None:
    report(tmp_path / "r.docx")
    assert (await read(tmp_path, "r.docx", "", "")).text == "1. # Plan\n2. ## Costs"
    both = (await read(tmp_path, "r.docx", "1-2", "")).text
    assert "[1. # Plan]\nFirst." in both
    assert "| Region | Q1 |" in both
    assert "kept" in both
    assert "deleted" not in both


async def test_slides_tell_title_table_and_notes(tmp_path: Path) -> None:
    text = f'<a:p xmlns:a="{A}"><a:r><a:t>%s</a:t></a:r></a:p>'
    slide = (
        f'<p:sld xmlns:p="{P}" xmlns:a="{A}"><p:cSld><p:spTree>'
        f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr><p:txBody>{text % "Sales"}</p:txBody></p:sp>'
        f"<p:sp><p:txBody>{text % 'They rose.'}</p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
    )
    (tmp_path / "s.pptx").write_bytes(
        zipped(
            {
                "ppt/presentation.xml": f'<p:presentation xmlns:p="{P}" xmlns:r="{R}"><p:sldIdLst>'
                '<p:sldId id="256" r:id="r1"/></p:sldIdLst></p:presentation>',
                "ppt/_rels/presentation.xml.rels": f'<Relationships xmlns="{RELS}">'
                '<Relationship Id="r1" Type="t/slide" Target="slides/slide1.xml"/></Relationships>',
                "ppt/slides/slide1.xml": slide,
            }
        )
    )
    found = await read(tmp_path, "s.pptx", "", "")
    assert found.facts == "1 slides"
    assert found.text == "[1. slide 1: Sales]\nThey rose."


async def test_the_other_kinds(tmp_path: Path) -> None:
    notebook = {
        "cells": [
            {"cell_type": "code", "source": ["1+1"], "outputs": [{"data": {"text/plain": ["2"], "image/png": "A"}}]}
        ]
    }
    files = {
        "n.ipynb": json.dumps(notebook),
        "j.json": '{"rows": [{"a": 1, "b": "x"}]}',
        "l.jsonl": '{"a": 1}\n{"a": 2}\n',
        "t.md": "# One\ntext\n## Two\nmore\n",
        "p.html": "<html><body><article><h1>Head</h1><p>"
        + "A sentence of the page. " * 20
        + "</p></article></body></html>",
        "notes.txt": "just a note",
        "README": "no suffix",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = {name: await read(tmp_path, name, "", "") for name in files}
    assert {name: each.kind for name, each in found.items()} == {
        "n.ipynb": "ipynb",
        "j.json": "json",
        "l.jsonl": "jsonl",
        "t.md": "md",
        "p.html": "html",
        "notes.txt": "text",
        "README": "text",
    }
    assert "--> 2 [image/png]" in found["n.ipynb"].text
    assert "structure: {rows: [1 x {a: int, b: str}]}" in found["j.json"].facts
    assert "pd.read_json('l.jsonl', lines=True)" in found["l.jsonl"].facts
    assert found["t.md"].text == "1. # One\n2. ## Two"
    assert "A sentence of the page." in found["p.html"].text
    assert "just a note" in found["notes.txt"].text


async def test_a_pdf_an_image_a_parquet_file_and_an_archive(tmp_path: Path) -> None:
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure()
    figure.text(0.1, 0.5, "Quarterly report")
    figure.savefig(tmp_path / "f.pdf")
    picture = Image.new("RGB", (40, 30))
    exif = picture.getexif()
    exif[0x010F], exif[0x8825] = "Maker", {1: "N", 2: (52.0, 31.0, 0.0)}
    picture.save(tmp_path / "i.jpg", exif=exif)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.txt", "hello")
    pdf, image, archived = [await read(tmp_path, name, "", "") for name in ("f.pdf", "i.jpg", "z.zip")]
    assert "Quarterly report" in pdf.text
    assert "JPEG 40 x 30 RGB" in image.facts
    assert "Make: Maker" in image.text
    assert "52" not in image.text
    assert "a.txt" in archived.text


async def test_a_long_text_is_cut_into_parts_that_are_told_whole(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("\n".join(f"line {number}" for number in range(20_000)), encoding="utf-8")
    outline = await read(tmp_path, "long.txt", "", "")
    count = len(outline.text.splitlines())
    parts = [(await read(tmp_path, "long.txt", str(number), "")).text for number in (1, count)]
    assert parts[0].startswith("[1. line 0]\nline 0\n")
    assert parts[-1].endswith("line 19999")
    assert all("cut at" not in part for part in parts)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("9", "there is no part 9: it has 2 parts"),
        ("0", "no part 0"),
        ("two", "a number of the outline"),
        ("2-1", "no part 2-1"),
    ],
)
async def test_a_wrong_part_is_told_what_there_is(part: str, told: str, tmp_path: Path) -> None:
    report(tmp_path / "r.docx")
    with pytest.raises(ActionFailed, match=told):
        await read(tmp_path, "r.docx", part, "")


@pytest.mark.parametrize(("given", "part"), [(None, ""), (3, "3"), ("2-4", "2-4"), ("null", "")])
def test_a_part_may_be_told_in_any_of_these_ways(given, part) -> None:
    assert parse(json.dumps(decide("read_document", path="a.pdf", part=given))).action.part == part


async def a_run(scenario, tmp_path: Path):
    report(tmp_path / "r.docx")
    story = scenario([decide("read_document", path="r.docx", part=1), decide("read_document", path="no.pdf"), finish()])
    offered = tuple(map(record_of, BUILT_IN))
    story.stream.emit(RunStarted(run="r", goal="a goal", context="", settings={}, actions=offered))
    return await story.run()


async def test_the_record_the_card_and_the_export_tell_what_was_read(scenario, tmp_path: Path) -> None:
    state = await a_run(scenario, tmp_path)
    step, missing, _ = state.steps
    assert step.result.output == "[1. # Plan]\nFirst."
    assert missing.result.error == "there is no file 'no.pdf' in the working folder"
    assert "First." in json.dumps(card(step, state)["out"])
    assert card(step, state)["title"] == "Read r.docx, part 1"
    (cell,) = step.decision.action.cells(step.result, 1)
    assert "Read `r.docx, part 1`" in cell.source
    assert "> First." in cell.source
    (listed,) = inputs(pieces([], state.steps), tmp_path)
    assert (listed.path, listed.size) == ("r.docx", (tmp_path / "r.docx").stat().st_size)


@pytest.mark.parametrize(
    ("privacy", "seen", "unseen"),
    [("full", "| 1 | 2 |", "withheld"), ("schema", "first line: a, b", "| 1 | 2 |"), ("none", "csv", "a, b")],
)
async def test_what_a_model_may_not_see_is_not_told(privacy, seen, unseen, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    workspace = FakeWorkspace(tmp_path)
    workspace.privacy = privacy
    for part in ("", "1"):
        result: ActionResult = await ReadDocument(path="t.csv", part=part).perform(workspace, step=1, on_output=print)
        assert (seen in result.output) or not part
        assert unseen not in result.output or (privacy == "full" and not part)
    assert "| 1 | 2 |" in str(result.metadata)
