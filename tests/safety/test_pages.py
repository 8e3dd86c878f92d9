"""Pages are read within limits of size, time and kind, and their text is what a reader would see."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Page
from agentloop_nb.settings import Settings
from agentloop_nb.web import LiveWeb, pages
from tests.safety.conftest import Names, Site

ARTICLE = """<!doctype html><html><head><title> Lemon
 curd </title><style>p{color:red}</style><script>var hidden = 1</script></head><body>
<nav><a href="/home">Home</a> <a href="/shop">Shop</a></nav>
<main><article><h1>Lemon curd</h1>
<p>Lemon curd is a spread made of lemons, sugar, eggs and butter, and it is cooked slowly over hot water.</p>
<pre><code>def stir(bowl):
    return bowl</code></pre>
<table><tr><th>what</th><th>grams</th></tr><tr><td>sugar</td><td>200</td></tr></table>
<p>See the <a href="/eggs">page on eggs</a> for how to separate them without breaking the yolk.</p></article></main>
<footer>Cookies! Accept all</footer></body></html>"""


@pytest.fixture
def read(site: Site) -> Callable[..., object]:
    web = LiveWeb(Settings(max_retries=0, allow_hosts=("site.example",)), resolver=Names(site_example=["127.0.0.1"]))

    async def read(path: str, max_length: int = 5000) -> Page:
        return await web.read(f"http://site.example:{site.port}{path}", max_length)

    return read


async def test_an_article_is_read_without_its_surroundings(site: Site, read: Callable) -> None:
    site.page("/", ARTICLE)
    page = await read("/")
    assert page.title == "Lemon curd"
    assert "cooked slowly" in page.text
    assert "    return bowl" in page.text
    assert "200" in page.text
    assert f"http://site.example:{site.port}/eggs" in page.text
    assert not any(word in page.text for word in ("Cookies", "hidden", "color:red"))
    assert (page.media_type, page.truncated) == ("text/html", False)


async def test_a_long_page_is_cut_and_says_so(site: Site, read: Callable) -> None:
    site.page("/", "word " * 2000, media="text/plain")
    page = await read("/", 100)
    assert (len(page.text), page.truncated) == (100, True)


async def test_the_address_is_the_one_after_redirects(site: Site, read: Callable) -> None:
    site.redirect("/old", "/new")
    site.page("/new", "found", media="text/plain")
    assert (await read("/old")).url.endswith("/new")


@pytest.mark.parametrize(
    ("media", "body", "text"),
    [
        ("text/plain", "größe".encode(), "größe"),
        ("text/plain; charset=iso-8859-1", "größe".encode("latin-1"), "größe"),
        ('text/plain; charset="utf-8"', "größe".encode(), "größe"),
        ("text/plain; charset=nonsense", b"plain", "plain"),
        ("text/plain; charset=zip", b"plain", "plain"),
        ("text/plain; charset=idna", b"plain", "plain"),
        ("text/plain", b"\xff\xfeh\0i\0", "hi"),
        ("text/csv", b"a,b\n1,2\n", "a,b\n1,2"),
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/vnd.api+json", b"{}", "{}"),
        ("text/markdown", b"# Head", "# Head"),
        ("application/xml", b"<a>b</a>", "<a>b</a>"),
        (None, b"just text", "just text"),
    ],
)
async def test_text_is_read_as_it_is(media: str | None, body: bytes, text: str, site: Site, read: Callable) -> None:
    site.page("/", body, media=media)
    assert (await read("/")).text == text


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("image/png", b"\x89PNG\r\n"),
        ("application/zip", b"PK\3\4"),
        ("application/octet-stream", b"\0\1"),
        ("video/mp4", b"...."),
        ("text/html", b"MZ\0\0\0\0"),
        ("application/x-msdownload", b"MZ"),
    ],
)
async def test_binary_is_described_not_shown(media: str, body: bytes, site: Site, read: Callable) -> None:
    site.page("/", body, media=media)
    page = await read("/")
    assert page.text.startswith(f"[{media}, {len(body)} bytes: not text")


async def test_a_pdf_is_read_page_by_page(site: Site, read: Callable) -> None:
    site.page("/paper", minimal_pdf("Lemons are yellow", "Limes are green"), media="application/pdf")
    page = await read("/paper")
    assert "[page 1 of 2]\nLemons are yellow" in page.text
    assert "[page 2 of 2]\nLimes are green" in page.text


async def test_a_broken_pdf_is_a_failure_the_model_can_read(site: Site, read: Callable) -> None:
    site.page("/paper", b"%PDF-1.7 but not really", media="application/pdf")
    with pytest.raises(ActionFailed, match="cannot be taken apart"):
        await read("/paper")


def minimal_pdf(*texts: str) -> bytes:
    """A PDF of one line a page, written by hand."""
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(texts)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, text in enumerate(texts):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * index} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{item}\nendobj\n".encode()
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    body += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    return body + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("404 Not Found", "404 Not Found"),
        ("403 Forbidden", "wants a login"),
        ("500 Oops", "failed 1 times"),
        ("429 Slow", "429"),
    ],
)
async def test_an_answer_that_is_no_page_is_told(status: str, message: str, site: Site, read: Callable) -> None:
    site.page("/", "no", status=status)
    with pytest.raises(ActionFailed, match=message):
        await read("/")


async def test_a_page_made_by_javascript_is_told(site: Site, read: Callable) -> None:
    site.page("/", "<html><head><script>render()</script></head><body><div id=app></div></body></html>")
    with pytest.raises(ActionFailed, match="JavaScript"):
        await read("/")


async def test_a_body_announced_as_too_large_is_not_fetched(site: Site, read: Callable) -> None:
    site.pages["/"] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 999999999\r\n\r\nx"
    with pytest.raises(ActionFailed, match="larger than 2 MB"):
        await read("/")


async def test_an_endless_body_is_given_up(site: Site, read: Callable) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    site.pages["/"] = endless
    with pytest.raises(ActionFailed, match="larger than 2 MB"):
        await read("/")
    assert sent < 20_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip"])
async def test_a_compression_bomb_costs_no_memory(encoding: str, site: Site, read: Callable) -> None:
    bomb = zlib.compress(bytes(200_000_000)) if encoding == "deflate" else gzip.compress(bytes(200_000_000))
    if "," in encoding:
        bomb = gzip.compress(bomb)
    assert len(bomb) < 250_000
    site.page("/", bomb, media="text/plain", headers={"Content-Encoding": encoding})
    tracemalloc.start()
    with pytest.raises(ActionFailed):
        await read("/")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15_000_000


async def test_a_body_that_is_not_what_it_says_is_told(site: Site, read: Callable) -> None:
    site.page("/", b"not gzip at all", media="text/plain", headers={"Content-Encoding": "gzip"})
    with pytest.raises(ActionFailed, match="cannot be decoded"):
        await read("/")


async def test_a_page_that_drips_is_given_up_at_the_deadline(
    site: Site, read: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    site.pages["/"] = drip
    monkeypatch.setattr(pages, "DEADLINE", 0.5)
    with pytest.raises(ActionFailed, match="not read whole"):
        await read("/")


@pytest.mark.parametrize("moment", ["connecting", "headers", "body"])
async def test_reading_stops_when_it_is_cancelled(moment: str, site: Site) -> None:
    reached = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        if moment == "body":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nx")
        reached.set()
        await asyncio.sleep(600)

    async def resolver(host: str, port: int) -> list[str]:
        if moment == "connecting":
            reached.set()
            await asyncio.sleep(600)
        return ["127.0.0.1"]

    site.pages["/"] = hang
    web = LiveWeb(Settings(allow_hosts=("site.example",)), resolver=resolver)
    task = asyncio.create_task(web.read(f"http://site.example:{site.port}/", 1000))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
async def test_taking_apart_ends_with_its_process(
    how: str, site: Site, read: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser that never ends is a process that is ended."""
    started = tmp_path / "pid"
    script = tmp_path / "endless.py"
    script.write_text(
        f"import os, time, pathlib\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    )
    monkeypatch.setattr(pages.extract, "__file__", str(script))
    monkeypatch.setattr(pages, "EXTRACTION_DEADLINE", 600 if how == "cancelled" else 1)
    site.page("/", ARTICLE)
    task = asyncio.ensure_future(read("/"))
    while not (started.exists() and started.read_text()):
        await asyncio.sleep(0.02)
    if how == "cancelled":
        task.cancel()
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else ActionFailed):
        await task
    while _alive(int(started.read_text())):
        await asyncio.sleep(0.02)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_fault_that_may_pass_is_tried_again_visibly(site: Site) -> None:
    answers = iter([b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", b""])

    async def flaky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(next(answers, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"))

    site.pages["/"] = flaky
    waits: list[str] = []
    web = LiveWeb(
        Settings(allow_hosts=("site.example",)),
        resolver=Names(site_example=["127.0.0.1"]),
        on_wait=lambda seconds, reason: waits.append(reason),
    )
    assert (await web.read(f"http://site.example:{site.port}/", 1000)).text == "ok"
    assert len(waits) == 2
    assert "503 Busy" in waits[0]


async def test_taking_a_page_apart_sees_no_secret(site: Site, read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1234567890")
    assert "sk-canary-1234567890" not in str(pages.child_environment())


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 50_000 + "deep" + "</div>" * 50_000,
        "<table>" * 3000 + "<tr><td>cell",
        "<p>" + "&amp;" * 200_000,
        "<a href='" + "x" * 500_000 + "'>link</a>",
        "<p " + "a=1 " * 100_000 + ">text</p>",
        "<!--" * 100_000,
        "<p>" + "\u202e\u0000\ufeff" * 1000 + "</p>",
        "".join(f"<b><i><p id={index}>" for index in range(20_000)),
        "<" * 500_000,
    ],
    ids=["deep", "tables", "entities", "attribute", "attributes", "comments", "controls", "misnested", "angles"],
)
async def test_a_hostile_page_neither_hangs_nor_breaks_the_reader(body: str, site: Site, read: Callable) -> None:
    site.page("/", body)
    with contextlib.suppress(ActionFailed):
        assert len((await read("/")).text) <= 5000
