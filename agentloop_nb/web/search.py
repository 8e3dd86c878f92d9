"""Searching: with the engines of ddgs, or a SearXNG server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import SearchHit
from agentloop_nb.web.retry import Again
from agentloop_nb.web.threads import in_thread

DEADLINE = 20.0
"""Seconds one search may take."""
ENGINE_TIMEOUT = 10
"""Seconds ddgs gives one engine."""


async def search(engine: str, query: str, num_results: int) -> Sequence[SearchHit]:
    """Return at most `num_results` hits. `engine` is names of ddgs engines, or a SearXNG address.

    Raises `Again` for what may pass, and `ActionFailed` for what will not.
    """
    ask = _searxng if engine.startswith(("http://", "https://")) else _ddgs
    try:
        async with asyncio.timeout(DEADLINE):
            hits = await ask(engine, query, num_results)
    except TimeoutError as error:
        raise Again(f"no answer within {DEADLINE:.0f} s") from error
    return [hit for hit in hits if hit.url.startswith(("http://", "https://"))][:num_results]


async def _ddgs(engine: str, query: str, num_results: int) -> list[SearchHit]:
    from ddgs import DDGS
    from ddgs.engines import ENGINES
    from ddgs.exceptions import DDGSException

    known = {"auto", *ENGINES["text"]}
    if unknown := {name.strip() for name in engine.split(",")} - known:
        raise ActionFailed(
            f"there is no search engine {', '.join(sorted(unknown))!r}; the user can set AGENTLOOP_SEARCH to "
            f"{', '.join(sorted(known))}, or to the address of a SearXNG server. Go on without searching."
        )
    client = DDGS(timeout=ENGINE_TIMEOUT)
    try:
        found = await in_thread(lambda: client.text(query, max_results=num_results, backend=engine), "agentloop-search")
    except DDGSException as error:
        if "No results found" in str(error):
            return []
        raise Again(_reason(error)) from error
    return [_hit(item, "href", "body") for item in found]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "dns" in text.lower() or "connect" in text.lower():
        return "the search engine cannot be reached; this machine may be offline"
    return text[:200] or type(error).__name__


async def _searxng(address: str, query: str, _num_results: int) -> list[SearchHit]:
    import httpx2

    try:
        async with httpx2.AsyncClient(timeout=ENGINE_TIMEOUT) as client:
            answer = await client.get(f"{address.rstrip('/')}/search", params={"q": query, "format": "json"})
    except httpx2.HTTPError as error:
        raise Again(f"{address} cannot be reached ({type(error).__name__})") from error
    if answer.status_code == 403:
        raise ActionFailed(f"{address} does not answer in JSON; its owner must allow `json` under search.formats.")
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Again(f"{address} answered {answer.status_code}")
    try:
        return [_hit(item, "url", "content") for item in answer.raise_for_status().json()["results"]]
    except (httpx2.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise ActionFailed(
            f"{address} is no SearXNG server, or answers unlike one. Go on without searching."
        ) from error


def _hit(item: dict[str, Any], url: str, snippet: str) -> SearchHit:
    def line(key: str) -> str:
        return " ".join(str(item.get(key) or "").split())

    return SearchHit(title=line("title")[:300], url=line(url), snippet=line(snippet)[:1000])
