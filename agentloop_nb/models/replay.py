"""A model that decides what a recorded run decided, and a web that answers what it answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.actions import BY_NAME, Action, ActionResult, AskUser
from agentloop_nb.actions.effects import Answer, Effects
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.plan import as_reply
from agentloop_nb.decision import Decision
from agentloop_nb.errors import Hint, PermanentFault, UserError
from agentloop_nb.models.recorded_answers import RecordedTools, RecordedWeb
from agentloop_nb.protocols import Delta, ModelReply, ModelRequest, Tools, Usage, Web
from agentloop_nb.record import reading, visible_cells
from agentloop_nb.record.part_replay import done_here, with_parts
from agentloop_nb.record.replay_data import Recorded, recorded
from agentloop_nb.state import fold

MAX_NOTEBOOK = 256 * 1024 * 1024
"""Bytes of a notebook that are read at all."""
_PIECES = 20
"""In which a reply appears where somebody watches."""
_CODE_CELL = re.compile(r"step-(\d{1,6})-code")


class ReplayModel:
    """Answers with the decisions of a record, one after another; asks nobody and costs nothing."""

    def __init__(
        self,
        decisions: Sequence[Recorded],
        source: str,
        name: str | None = None,
        *,
        outcomes: Mapping[int, ActionResult] | None = None,
        knows_changes: bool = True,
        until: tuple[str, ...] = (),
    ) -> None:
        """`outcomes` are what the recorded steps brought, by number; `knows_changes`: also which names they changed."""
        self.decisions = tuple(decisions)
        self.knows_changes = knows_changes
        self.until = until
        """The contract of the recorded run."""
        self._outcomes = dict(outcomes or {})
        self.position = 0
        """The decision that comes next, from 0; a resumed run sets it to the steps it has done."""
        self._plans_told = 0
        """Plans before the next decision that were given."""
        self.pace = 0.0
        """Seconds in which a reply appears, piece by piece; 0 is at once."""
        self._source = source
        self._name = name

    @classmethod
    def from_path(cls, path: str | Path, *, name: str | None = None) -> ReplayModel:
        """Read a record (`.jsonl`) or an exported notebook (`.ipynb`). Raises `UserError`. Nothing is executed."""
        path = typed_path(path)
        if from_notebook := path.suffix == ".ipynb":
            decisions, outcomes, until = _of_notebook(path)
        else:
            state = fold(reading.read(path))
            steps, until = state.steps, state.until
            decisions, outcomes = recorded(steps), {step.number: step.result for step in steps if step.result}
        if not decisions:
            raise UserError(f"{path} holds no decisions to replay")
        return cls(decisions, str(path), name, outcomes=outcomes, knows_changes=not from_notebook, until=until)

    @property
    def name(self) -> str:
        return self._name or f"replay:{self._source}"

    def delegate_nothing(self) -> None:
        """Decide the code of delegated parts itself, for an isolated run: its process can start no others."""
        self.decisions = tuple(done_here(self.decisions, self._outcomes))

    @property
    def latest(self) -> tuple[Decision, ActionResult | None] | None:
        """The decision that was given last, and what it brought in the record, if that is known."""
        if not 0 < self.position <= len(self.decisions):
            return None
        each = self.decisions[self.position - 1]
        return each.decision, self._outcomes.get(each.step)

    def answer(self, action: AskUser) -> Answer | None:
        """Return what the record says to the question that was decided last; nobody's word counts as typed here."""
        each = self._last(action)
        return None if each is None or each.answer is None else Answer(text=each.answer.text, by="record")

    def kept(self, action: Action) -> ActionResult | None:
        """Return what this brought, if it was decided last and the record holds what was answered."""
        each = self._last(action)
        if each is None or (each.query is None and each.own is None and each.error is None):
            return None
        brought = ActionResult(success=each.error is None, output=each.error or "", error=each.error)
        known = self._outcomes.get(each.step, brought)
        return known.with_effects(query=each.query, own=each.own)

    def _last(self, action: Action) -> Recorded | None:
        """Return the decision that was given last, if it was for this action."""
        each = self.decisions[self.position - 1] if 0 < self.position <= len(self.decisions) else None
        return each if each is not None and _same(each.decision.action, action) else None

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
                f"{self._name or f'the record {self._source}'} has no more decisions after {len(self.decisions)}: "
                "the run it holds ended here. Go on with a model",
                Hint("resume -m MODEL"),
            )
        each = self.decisions[self.position]
        if self._plans_told < len(each.plans) and not request.final:
            text = as_reply("as recorded", each.plans[self._plans_told])
            self._plans_told += 1
        else:
            text = _written(each)
            self.position, self._plans_told = self.position + 1, 0
        await self._tell(text, on_delta)
        return ModelReply(text=text, usage=Usage(), cost=Decimal(0), model=self.name)

    async def _tell(self, text: str, on_delta: Callable[[Delta], None]) -> None:
        """Hand a reply over at once, or at reading speed."""
        size = max(len(text) // _PIECES, 1) if self.pace else len(text)
        for start in range(0, len(text), size):
            if self.pace:
                await asyncio.sleep(self.pace / _PIECES)
            on_delta(Delta(text=text[start : start + size]))

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
        """Return searches and pages as they were.

        `live` is never asked: a run that wants it (`--live`) keeps it instead.
        """
        return RecordedWeb(self.decisions, self.position)

    def tools(self) -> Tools:
        """Return the tools of servers as they answered; no server is needed."""
        return RecordedTools(self.decisions, self.position)


def _same(one: Action, other: Action) -> bool:
    """Whether two actions ask for the same; of a function one may be as it was recorded, one as it is declared."""
    if isinstance(one, OwnAction) and isinstance(other, OwnAction):
        return one.name == other.name and _asked(one) == _asked(other)
    return one == other


def _asked(action: OwnAction) -> dict[str, Any]:
    return action.model_dump(mode="json", exclude_unset=True)


def _written(each: Recorded) -> str:
    """Return a decision as the model wrote it."""
    record = each.decision.record()
    if each.line:
        record["reasoning"] = f"{each.line}: {record['reasoning']}"
    if each.limit:
        record["action"]["timeout"] = each.limit
    return json.dumps(record, ensure_ascii=False)


def _of_notebook(path: Path) -> tuple[list[Recorded], dict[int, ActionResult], tuple[str, ...]]:
    """Return the decisions in an exported notebook's metadata, what its cells show, by step, and its contract.

    Raises `UserError`.
    """
    try:
        if not path.is_file():
            raise UserError(f"there is no notebook {path}")
        if path.stat().st_size > MAX_NOTEBOOK:
            raise UserError(f"{path} is larger than any exported notebook ({path.stat().st_size:,} bytes)")
        notebook = json.loads(path.read_bytes())
        decisions = [_recorded(each) for each in notebook["metadata"]["agentloop"]["decisions"]]
        cells = list(notebook.get("cells", ()))
        differs = visible_cells.difference(cells, [(each.step, each.decision) for each in decisions])
        shown = dict(_shown(cells))
        until = tuple(map(str, notebook["metadata"]["agentloop"].get("until") or ()))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f"{path} is no notebook exported by agentloop_nb: it holds no readable decisions") from None
    if differs:
        raise UserError(f"{path} is not replayed, because it would run what it does not show: {differs}")
    return list(with_parts(decisions, cells)), shown, until


def _shown(cells: Iterable[dict[str, Any]]) -> Iterator[tuple[int, ActionResult]]:
    for cell in cells:
        if found := _CODE_CELL.fullmatch(str(cell.get("id"))):
            outputs = tuple(cell["outputs"])
            failed = any(output["output_type"] == "error" for output in outputs)
            settled = "unchecked" not in cell["metadata"].get("agentloop", {})
            effects = Effects(not_kept=0 if settled else 1)
            yield int(found[1]), ActionResult(success=not failed, output="", outputs=outputs, effects=effects)


def _recorded(data: dict[str, Any]) -> Recorded:
    action = data["decision"]["action"]
    if action["name"] not in BY_NAME and not action.get("own"):
        raise UserError(f"a decision for {action['name']!r}, an action this version does not know")
    try:
        return Recorded.model_validate(data)
    except ValidationError as error:
        raise ValueError(str(error)) from None
