"""Fakes of the two seams, for tests of the loop and of anything that listens to it. No kernel, no network, no cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import (
    Check,
    CodeOutcome,
    Delta,
    Document,
    ModelReply,
    ModelRequest,
    OnOutput,
    Output,
    Page,
    Privacy,
    SearchHit,
    Usage,
    WrittenFile,
)

CACHED_SHARE = Decimal("0.1")
"""What a cached token costs a scripted model, as a share of an uncached one."""

Script = str | Exception | ModelReply | Mapping[str, Any]
"""One reply: a text, a decision as a mapping, a whole reply, or a fault to raise."""


def decide(name: str, reasoning: str = "because", **fields: Any) -> dict[str, Any]:
    """Return a decision in the shape the model is asked for."""
    return {"reasoning": reasoning, "action": {"name": name, **fields}}


def code(source: str, **fields: Any) -> dict[str, Any]:
    """Return the decision to run `source`."""
    return decide("run_code", code=source, **fields)


def finish(summary: str = "done", **fields: Any) -> dict[str, Any]:
    """Return the decision to finish."""
    return decide("finish", summary=summary, **fields)


class ScriptedModel:
    """A `Model` that gives the replies of a script, one a call, and remembers what it was asked."""

    __test__ = False
    name = "scripted"
    local = False

    def __init__(
        self,
        replies: Iterable[Script],
        *,
        usage: Usage | None = None,
        prices: tuple[str, str] | None = ("0", "0"),
        context_window: int | None = None,
    ) -> None:
        """Take replies in order; `prices` are dollars per million tokens in and out, None for an unknown price."""
        self._replies = iter(replies)
        self._usage = usage or Usage(input=100, output=20)
        self._prices = prices
        self.context_window = context_window
        self.requests: list[ModelRequest] = []

    def quote(self, usage: Usage) -> Decimal | None:
        """Price a usage at the scripted prices."""
        if self._prices is None:
            return None
        price_in, price_out = map(Decimal, self._prices)
        plain = usage.input - usage.cached * (1 - CACHED_SHARE)
        return (plain * price_in + usage.output * price_out) / 1_000_000

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Give the next reply of the script."""
        self.requests.append(request)
        script = next(self._replies)
        if isinstance(script, Exception):
            raise script
        if isinstance(script, ModelReply):
            return script
        text = script if isinstance(script, str) else json.dumps(script)
        on_delta(Delta(text=text))
        return ModelReply(text=text, usage=self._usage, cost=self.quote(self._usage), model=self.name)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


class FakeWeb:
    """A `Web` that answers from two tables."""

    def __init__(self, hits: Sequence[SearchHit] = (), pages: Mapping[str, Page] | None = None) -> None:
        self._hits = hits
        self._pages = pages or {}

    async def search(self, query: str, num_results: int) -> Sequence[SearchHit]:
        """Return the first hits, whatever the query."""
        return self._hits[:num_results]

    async def read(self, url: str, max_length: int) -> Page:
        """Return the page of that address, cut to `max_length`."""
        if url not in self._pages:
            raise ActionFailed(f"{url} cannot be reached")
        page = self._pages[url]
        return page.model_copy(update={"text": page.text[:max_length], "truncated": len(page.text) > max_length})


class FakeWorkspace:
    """A `Workspace` whose code does what a table says; files are kept in memory until `folder` is looked at."""

    __test__ = False

    def __init__(
        self, folder: Path, *, outcomes: Mapping[str, CodeOutcome] | None = None, web: FakeWeb | None = None
    ) -> None:
        self.folder = folder
        self.web = web or FakeWeb()
        self.privacy: Privacy = "full"
        self.goal = ""
        self.outcomes = dict(outcomes or {})
        self.checks: dict[str, list[bool | Check]] = {}
        """What expressions of a contract yield, one evaluation after another."""
        self.ran: list[str] = []
        """The code that was run, in order."""

    def describe(self, tokens: int) -> str:
        """Tell that nothing is there."""
        return "The namespace is empty."

    def history(self) -> tuple[str, ...]:
        """Return no cells: nothing ran before."""
        return ()

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Look the outcome up; code that is not in the table prints itself."""
        self.ran.append(code)
        echo: Output = {"output_type": "stream", "name": "stdout", "text": f"{code}\n"}
        outcome = self.outcomes.get(code, CodeOutcome(ending="ok", outputs=(echo,)))
        for output in outcome.outputs:
            on_output(output)
        return outcome

    async def check(self, expression: str, *, timeout: float, made: Sequence[str] = ()) -> Check:
        """Look the next outcome of an expression up; the last one stays, and one that is not in the table holds."""
        outcomes = self.checks.get(expression, [True])
        found = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(found, Check):
            return found
        return Check(expression=expression, outcome="held" if found else "false", value=str(found))

    def write_file(self, filename: str, content: str) -> WrittenFile:
        """Write below the folder, without any of the real guards."""
        path = self.folder / filename
        replaced = path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return WrittenFile(path=filename, size=len(content.encode()), replaced=replaced)

    async def read_document(self, path: str, part: str) -> Document:
        """Read a document of the folder, or one that the goal names. Raises `ActionFailed`."""
        from agentloop_nb.documents.reader import read

        return await read(self.folder, path, part, self.goal)

    def variables(self, names: Sequence[str]) -> dict[str, Any]:
        """Know no variable."""
        return {}
