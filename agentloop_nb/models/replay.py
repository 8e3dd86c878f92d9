"""A model that decides what a recorded run decided, and a web that answers what it answered."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agentloop_nb import journal
from agentloop_nb.actions import BY_NAME, ReadUrl, SearchWeb
from agentloop_nb.errors import ActionFailed, PermanentFault, UserError
from agentloop_nb.ports import Delta, ModelReply, ModelRequest, Page, SearchHit, Usage, Web
from agentloop_nb.recorded import Recorded, recorded
from agentloop_nb.state import fold

MAX_NOTEBOOK = 256 * 1024 * 1024
"""Bytes of a notebook that are read at all."""


class ReplayModel:
    """Answers with the decisions of a record, one after another; asks nobody and costs nothing."""

    def __init__(self, decisions: Sequence[Recorded], source: str, name: str | None = None) -> None:
        self.decisions = tuple(decisions)
        self.position = 0
        """The decision that comes next, from 0; a resumed run sets it to the steps it has done."""
        self._source = source
        self._name = name

    @classmethod
    def from_path(cls, path: str | Path, *, name: str | None = None) -> ReplayModel:
        """Read a record (`.jsonl`) or an exported notebook (`.ipynb`). Raises `UserError`. Nothing is executed."""
        path = Path(path).expanduser()
        decisions = _of_notebook(path) if path.suffix == ".ipynb" else recorded(fold(journal.read(path)).steps)
        if not decisions:
            raise UserError(f"{path} holds no decisions to replay")
        return cls(decisions, str(path), name)

    @property
    def name(self) -> str:
        return self._name or f"replay:{self._source}"

    @property
    def context_window(self) -> int | None:
        return None

    @property
    def local(self) -> bool:
        return True

    def quote(self, usage: Usage) -> Decimal | None:
        return Decimal(0)

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        if request.final:
            self._skip_to_finish()
        if self.position >= len(self.decisions):
            raise PermanentFault(
                f"the record {self._source} has no more decisions after {len(self.decisions)}: "
                "the run it holds ended here. Go on with a model: %agent resume -m MODEL"
            )
        text = json.dumps(self.decisions[self.position].decision.record(), ensure_ascii=False)
        self.position += 1
        on_delta(Delta(text=text))
        return ModelReply(text=text, usage=Usage(), cost=Decimal(0), model=self.name)

    def _skip_to_finish(self) -> None:
        """Only `finish` is allowed now: go to the record's own, wherever it is."""
        for index, each in enumerate(self.decisions[self.position :], self.position):
            if each.decision.action.name == "finish":
                self.position = index
                return
        self.position = len(self.decisions)

    async def close(self) -> None:
        """Nothing is held open."""

    def web(self, live: Web | None = None) -> Web:
        """Searches and pages as they were. `live` is never asked: a run that wants it (`--live`) keeps it instead."""
        return RecordedWeb(self.decisions)


class RecordedWeb:
    """Answers searches and pages from a record: the same question gets its answers in the order they came."""

    def __init__(self, decisions: Iterable[Recorded]) -> None:
        self._answers: dict[tuple[str, str], list[Recorded]] = defaultdict(list)
        for each in decisions:
            match each.decision.action:
                case SearchWeb(query=query):
                    self._answers["search", query].append(each)
                case ReadUrl(url=url):
                    self._answers["read", url].append(each)

    async def search(self, query: str, num_results: int) -> Sequence[SearchHit]:
        """Return the hits of the record. Raises `ActionFailed` if this was never searched."""
        return (self._answer("search", query).hits or ())[:num_results]

    async def read(self, url: str, max_length: int) -> Page:
        """Return the page of the record. Raises `ActionFailed` if it was never read."""
        page = self._answer("read", url).page
        if page is None:
            raise ActionFailed(f"the record holds no text of {url!r}")
        if len(page.text) > max_length:
            return page.model_copy(update={"text": page.text[:max_length], "truncated": True})
        return page

    def _answer(self, kind: str, key: str) -> Recorded:
        answers = self._answers.get((kind, key))
        if not answers:
            raise ActionFailed(f"nothing was recorded for {key!r}, and a replayed run asks the web only with --live")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.error is not None:
            raise ActionFailed(answer.error)
        return answer


def _of_notebook(path: Path) -> list[Recorded]:
    """The decisions in an exported notebook's metadata. Raises `UserError`."""
    try:
        if not path.is_file():
            raise UserError(f"there is no notebook {path}")
        if path.stat().st_size > MAX_NOTEBOOK:
            raise UserError(f"{path} is larger than any exported notebook ({path.stat().st_size:,} bytes)")
        ours = json.loads(path.read_bytes())["metadata"]["agentloop"]
        return [_recorded(each) for each in ours["decisions"]]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f"{path} is no notebook exported by agentloop_nb: it holds no readable decisions") from None


def _recorded(data: dict[str, Any]) -> Recorded:
    if data["decision"]["action"]["name"] not in BY_NAME:
        raise UserError(f"a decision for {data['decision']['action']['name']!r}, an action this version does not know")
    try:
        return Recorded.model_validate(data)
    except ValidationError as error:
        raise ValueError(str(error)) from None
