"""The live web behind `search_web` and `read_url`: searches by ddgs or SearXNG, pages through the address guard."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Page, SearchHit
from agentloop_nb.settings import Settings
from agentloop_nb.web.retry import OnWait, attempts

if TYPE_CHECKING:
    import ssl

    from agentloop_nb.web.guard import Resolve

DEFAULT_ENGINE = "duckduckgo"
"""One company learns the query; `auto` of ddgs asks half a dozen."""
EMPTY_IN_A_ROW = 3
"""Searches without a result after which the engine is suspected of refusing us."""


class LiveWeb:
    """Searches and reads for real. Everything it awaits can be cancelled at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_wait: OnWait | None = None,
        resolver: Resolve | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._settings = settings
        self.on_wait = on_wait
        """Told of each wait before another attempt."""
        self._resolver = resolver
        self._verify = verify
        self._proxies = urllib.request.getproxies()
        self._empty = 0

    async def search(self, query: str, num_results: int) -> Sequence[SearchHit]:
        _refuse_in_browser()
        from agentloop_nb.web.search import search

        engine = self._settings.search or DEFAULT_ENGINE
        hits = await attempts(
            lambda: search(engine, query, num_results),
            f"the search with {engine}",
            retries=self._settings.max_retries,
            on_wait=self.on_wait,
        )
        self._empty = 0 if hits else self._empty + 1
        if self._empty >= EMPTY_IN_A_ROW:
            raise ActionFailed(
                f"{self._empty} searches in a row found nothing: {engine} may be refusing this address for a while. "
                "Go on without searching; the user can choose another engine with AGENTLOOP_SEARCH."
            )
        return hits

    async def read(self, url: str, max_length: int) -> Page:
        _refuse_in_browser()
        from agentloop_nb.web.guard import GuardedTransport, resolve
        from agentloop_nb.web.pages import fetch, to_page

        async def attempt() -> Page:
            transport = GuardedTransport(
                self._settings.allow_hosts,
                resolver=self._resolver or resolve,
                proxies=self._proxies,
                verify=self._verify,
            )
            return await to_page(await fetch(url, transport), max_length)

        return await attempts(attempt, f"reading {url}", retries=self._settings.max_retries, on_wait=self.on_wait)


def _refuse_in_browser() -> None:
    if IN_BROWSER:
        raise ActionFailed("a kernel in a browser cannot reach the web, so no search and no page: go on without them")
