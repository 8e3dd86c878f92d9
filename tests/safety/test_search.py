"""Searching: real ddgs and a SearXNG answer against servers of the test's own; failures a model can act on."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentloop_nb.actions import SearchWeb
from agentloop_nb.errors import ActionFailed
from agentloop_nb.settings import Settings
from agentloop_nb.testing import FakeWorkspace
from agentloop_nb.web import LiveWeb, search
from tests.safety.conftest import Site

HITS = """<html><body>
<div class="result__body body"><h2>Lemons</h2><a href="https://lemons.example/a">All about lemons</a></div>
<div class="result__body body"><h2>Limes</h2><a href="https://limes.example/b">All about limes</a></div>
<div class="result__body body"><h2>Trap</h2><a href="javascript:alert(1)">no address</a></div>
<div class="result__body body"><h2>Oranges</h2><a href="https://oranges.example/c">All about oranges</a></div>
</body></html>"""


@pytest.fixture
def duckduckgo(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    from ddgs.engines import ENGINES

    monkeypatch.setattr(ENGINES["text"]["duckduckgo"], "search_url", f"http://127.0.0.1:{site.port}/html/")
    return site


async def test_hits_have_title_address_and_snippet(duckduckgo: Site) -> None:
    duckduckgo.page("/html/", HITS)
    hits = await LiveWeb(Settings()).search("citrus", 5)
    assert {hit.url for hit in hits} == {
        "https://lemons.example/a",
        "https://limes.example/b",
        "https://oranges.example/c",
    }
    assert {hit.title for hit in hits} == {"Lemons", "Limes", "Oranges"}
    assert "All about limes" in {hit.snippet for hit in hits}
    assert len(await LiveWeb(Settings()).search("citrus", 2)) == 2


async def test_no_result_is_no_failure_until_it_looks_like_a_refusal(duckduckgo: Site) -> None:
    duckduckgo.page("/html/", "<html></html>")
    web = LiveWeb(Settings())
    for _ in range(2):
        assert list(await web.search("xyzzy", 5)) == []
    with pytest.raises(ActionFailed, match=r"3 searches in a row found nothing.*AGENTLOOP_SEARCH"):
        await web.search("xyzzy", 5)


@pytest.mark.parametrize("status", ["202 Accepted", "429 Too Many Requests", "403 Forbidden"])
async def test_a_rate_limit_becomes_an_observation(status: str, duckduckgo: Site, tmp_path) -> None:
    duckduckgo.page("/html/", "slow down", status=status)
    workspace = FakeWorkspace(tmp_path)
    workspace.web = LiveWeb(Settings(max_retries=0))
    result = await SearchWeb(query="citrus").perform(workspace, step=1, on_output=lambda output: None)
    assert "No results" in result.output


async def test_being_offline_is_told_after_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    from ddgs.engines import ENGINES

    monkeypatch.setattr(ENGINES["text"]["duckduckgo"], "search_url", "http://127.0.0.1:9/html/")
    waits: list[float] = []
    web = LiveWeb(Settings(max_retries=1), on_wait=lambda seconds, reason: waits.append(seconds))
    with pytest.raises(ActionFailed, match=r"failed 2 times.*cannot be reached"):
        await web.search("citrus", 5)
    assert len(waits) == 1


async def test_a_search_has_a_deadline_and_can_be_cancelled(duckduckgo: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        asked.set()
        await asyncio.sleep(8)

    duckduckgo.pages["/html/"] = hang
    monkeypatch.setattr(search, "DEADLINE", 0.3)
    with pytest.raises(ActionFailed, match="no answer"):
        await LiveWeb(Settings(max_retries=0)).search("citrus", 5)
    monkeypatch.setattr(search, "DEADLINE", 600)
    asked.clear()
    task = asyncio.create_task(LiveWeb(Settings(max_retries=0)).search("citrus", 5))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_unknown_engine_is_named_with_the_known_ones() -> None:
    with pytest.raises(ActionFailed, match=r"no search engine 'altavista'.*duckduckgo.*SearXNG"):
        await LiveWeb(Settings(search="altavista")).search("citrus", 5)


async def test_searxng_is_asked_in_json(site: Site) -> None:
    results = [
        {"title": "Lemons", "url": "https://lemons.example/", "content": "yellow"},
        {"title": "x", "url": "ftp://x"},
    ]
    site.page("/search", json.dumps({"results": results}), media="application/json")
    hits = await LiveWeb(Settings(search=f"http://127.0.0.1:{site.port}/")).search("a b&c", 5)
    assert [(hit.title, hit.url, hit.snippet) for hit in hits] == [("Lemons", "https://lemons.example/", "yellow")]
    assert b"GET /search?q=a+b%26c&format=json" in site.requests[0] or b"q=a%20b%26c&format=json" in site.requests[0]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        ("403 Forbidden", "", "search.formats"),
        ("200 OK", "<html>", "no SearXNG server"),
        ("200 OK", "[1]", "no SearXNG server"),
        ("404 Not Found", "", "no SearXNG server"),
        ("500 Oops", "", "answered 500"),
    ],
)
async def test_a_server_that_is_no_searxng_is_told(status: str, body: str, message: str, site: Site) -> None:
    site.page("/search", body, status=status)
    with pytest.raises(ActionFailed, match=message):
        await LiveWeb(Settings(search=f"http://127.0.0.1:{site.port}", max_retries=0)).search("citrus", 5)
