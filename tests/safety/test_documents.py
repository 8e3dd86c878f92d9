"""Documents from strangers: what is hostile ends within its bounds with a reason, and no other file is reached."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from agentloop_nb.actions import ReadDocument
from agentloop_nb.documents.reader import locate, read
from agentloop_nb.errors import ActionFailed
from agentloop_nb.safety.permission import reasons_to_ask
from tests.safety.attacks import ATTACKS, GOAL, OWN, PRINTED
from tests.safety.stories import Done, state_of

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BODY = f'<w:document xmlns:w="{W}"><w:body><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:body></w:document>'


def zipped(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def document(text: str, head: str = "") -> bytes:
    return zipped({"word/document.xml": head + BODY % text})


def workbook(sheet: str) -> bytes:
    rels = "http://schemas.openxmlformats.org/package/2006/relationships"
    return zipped(
        {
            "xl/workbook.xml": f'<workbook xmlns="{S}" xmlns:r="{R}"><sheets><sheet name="A" sheetId="1" r:id="r1"/>'
            "</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{rels}"><Relationship Id="r1" Type="x/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{S}">{sheet}</worksheet>',
        }
    )


def encrypted_pdf() -> bytes:
    from pypdf import PdfWriter

    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


def long_pdf(pages: int, count: int) -> bytes:
    """Make a PDF of empty pages that says how many it has, and whose tree leads back to its root."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{number} 0 R" for number in [*range(3, pages + 3), 2])
    objects.append(f"<< /Type /Pages /Count {count} /Kids [{kids}] >>")
    objects += ["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"] * pages
    whole, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(whole))
        whole += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    head = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return whole + f"{head}startxref\n{len(whole)}\n%%EOF\n".encode()


def nested(depth: int = 6) -> bytes:
    data = b"x" * 1000
    for _ in range(depth):
        data = zipped({"inner.zip": data})
    return data


def encrypted_zip() -> bytes:
    data = bytearray(document("x"))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


XXE = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
LAUGHS = "<!DOCTYPE d [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "a bomb.docx": (lambda: document("A" * (100 << 20)), "is not opened"),
    "xxe.docx": (lambda: document("&e;", XXE), "declares a document type"),
    "xxe utf16.docx": (
        lambda: zipped({"word/document.xml": (XXE + BODY % "&e;").encode("utf-16")}),
        "declares a document type",
    ),
    "laughs.docx": (lambda: document("&i;", LAUGHS + "]>"), "declares a document type"),
    "entity.xlsx": (lambda: zipped({"xl/workbook.xml": XXE + f'<workbook xmlns="{S}"/>'}), "declares a document type"),
    "many.docx": (
        lambda: zipped({"word/document.xml": BODY % "x"} | {f"f{n}": "" for n in range(10_100)}, zipfile.ZIP_STORED),
        "is not opened",
    ),
    "locked.docx": (encrypted_zip, "it is encrypted"),
    "locked.pdf": (encrypted_pdf, "it is encrypted"),
    "old.xls": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, r"\(OLE\)"),
    "old.docx": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, r"\(OLE\)"),
    "torn.xlsx": (lambda: workbook("")[:300], "damaged archive"),
    "long.pdf": (lambda: long_pdf(10_000, 10_000), "it has more than 5,000 pages; split it with run_code"),
    "longer than it says.pdf": (lambda: long_pdf(10_000, 3), "it has more than 5,000 pages"),
    "torn.pdf": (lambda: b"%PDF-1.7\n garbage", "cannot be taken apart|not read"),
    "program.csv": (lambda: b"\x7fELF" + bytes(range(256)) * 10, "binary file"),
    "empty.csv": (lambda: b"", "it is empty"),
    "deep.json": (lambda: b"[" * 200_000, "nested too deeply|no valid JSON"),
    "not.json": (lambda: b"{'a': 1}", "no valid JSON"),
    "not.ipynb": (lambda: b'{"cells": 5}', "no notebook of format 4"),
    "torn.png": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged image"),
    "torn.parquet": (lambda: b"PAR1" + b"\0" * 100, "cannot be taken apart|needs pyarrow"),
    "nothing.docx": (lambda: zipped({"word/document.xml": f'<w:document xmlns:w="{W}"/>'}), "without a body"),
    "bad.docx": (lambda: zipped({"word/document.xml": "<w:document"}), "no valid XML"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_hostile_file_ends_with_a_reason(name: str, tmp_path: Path) -> None:
    make, why = REFUSED[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(ActionFailed, match=why) as caught:
        await read(tmp_path, name, "", "")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


BORNE = {
    "whole sheet merged.xlsx": workbook(
        '<sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData>'
        '<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    ),
    "strange places.xlsx": workbook('<sheetData><row r="1"><c r="ZZZZ1"><v>1</v></c><c><v>2</v></c></row></sheetData>'),
    "nested.zip": nested(),
    "a wide span.docx": zipped(
        {
            "word/document.xml": BODY.replace(
                "<w:p>",
                '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="99999"/></w:tcPr><w:p/></w:tc></w:tr></w:tbl><w:p>',
            )
            % "text"
        }
    ),
    "a page.pdf.txt": b"just text",
    "a table.txt": b"a,b\n1,2\n",
    "long line.csv": b"a," * 200_000,
    "quote.csv": b'a,b\n"' + b"x" * 300_000,
    "nul names.zip": zipped({"../../etc/passwd": "x", "/etc/shadow": "y"}),
}


@pytest.mark.parametrize("name", BORNE)
async def test_what_is_only_strange_is_told_within_bounds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BORNE[name])
    before = sorted(tmp_path.iterdir())
    found = await read(tmp_path, name, "1", "")
    assert len(found.text) < 25_000
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def outside(tmp_path: Path) -> tuple[Path, Path]:
    """A working folder with traps in it, and a secret beside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    secret = tmp_path / "secret.txt"
    secret.write_text("canary", encoding="utf-8")
    (folder / "link.txt").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / ".env").write_text("KEY=canary", encoding="utf-8")
    (folder / ".env.local").write_text("KEY=canary", encoding="utf-8")
    (folder / "harmless.txt").symlink_to(folder / ".env")
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "id_rsa").write_text("canary", encoding="utf-8")
    (folder / ".agentloop").mkdir()
    (folder / ".agentloop" / "x.jsonl").write_text("canary", encoding="utf-8")
    os.mkfifo(folder / "pipe")
    return folder, secret


ELSEWHERE = [
    "../secret.txt",
    "./../secret.txt",
    "link.txt",
    "up/secret.txt",
    "up/../secret.txt",
    ".env",
    ".env.local",
    "harmless.txt",
    ".ssh/id_rsa",
    ".agentloop/x.jsonl",
    "pipe",
    ".",
    "..",
    "/etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
    "~/.bashrc",
    "file:///etc/passwd",
    "gone.txt",
    "a\0b",
    "x" * 5000,
]


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_nothing_else_is_read(path: str, outside: tuple[Path, Path]) -> None:
    folder, _ = outside
    with pytest.raises(ActionFailed):
        await read(folder, path, "", "Summarise the documents of this folder")


async def test_a_file_that_the_goal_names_is_read(outside: tuple[Path, Path]) -> None:
    folder, secret = outside
    found = await read(folder, str(secret), "", f"Summarise {secret} please")
    assert "canary" in found.text
    assert found.inside == ""
    with pytest.raises(ActionFailed, match="the goal does not name it"):
        await read(folder, str(secret), "", f"Summarise {secret}.bak please")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_document_gives_no_orders(attack: str) -> None:
    text, action = ATTACKS[attack]
    assert reasons_to_ask(action, state_of(GOAL, [OWN, PRINTED, Done(ReadDocument(path="report.pdf"), f"pdf\n{text}")]))


@pytest.mark.parametrize(
    "inner", [".ssh/id_rsa", ".aws/credentials", ".gnupg/x/key", ".kube/config", ".SSH/known", ".docker/a.json"]
)
def test_a_goal_that_names_a_key_does_not_open_it(tmp_path, inner):
    (tmp_path / "work").mkdir()
    place = tmp_path / inner
    place.parent.mkdir(parents=True)
    place.write_text("key")
    with pytest.raises(ActionFailed, match="keys or settings"):
        locate(tmp_path / "work", str(place), f"Read {place} please")
    fine = tmp_path / ".local" / "share" / "a.csv"
    fine.parent.mkdir(parents=True)
    fine.write_text("a")
    assert locate(tmp_path / "work", str(fine), f"Read {fine} please") == fine.resolve()
